"""Read a recording without bindstream: pip install mcap rosbags. Which embedding is like which?"""

import sys
from typing import Any

import numpy as np
from mcap.reader import make_reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

types = get_typestore(Stores.EMPTY)
vectors = []
with open(sys.argv[1], "rb") as file:  # noqa: PTH123
    for schema, channel, message in make_reader(file).iter_messages():
        if channel.topic.endswith("/embedding") and schema:
            if schema.name not in types.types:  # each file explains its own messages
                types.register(get_types_from_msg(schema.data.decode(), schema.name))
            told: Any = types.deserialize_cdr(message.data, schema.name)
            vectors.append((told.stream, told.seq, told.end_ns, told.vector))

for n, (stream, seq, end_ns, vector) in enumerate(vectors):
    others = [(float(np.dot(vector, v[3])), *v[:2]) for m, v in enumerate(vectors) if m != n]
    score, *nearest = max(others, default=(0.0, "", 0))
    print(f"{end_ns / 1e9:.3f} {stream}/{seq} is most like {nearest[0]}/{nearest[1]}: {score:.2f}")
