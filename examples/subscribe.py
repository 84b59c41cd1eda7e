"""Print every vector as it comes. Start a robot first: bindstream run"""

import sys

from bindstream import Embedding, Subscriber

endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5570"
with Subscriber(endpoint, topics=["embedding/"]) as stream:
    for e in stream:
        if isinstance(e, Embedding):
            print(f"{e.stream:10} #{e.seq:<5} {e.vector.shape} {e.words}", flush=True)
