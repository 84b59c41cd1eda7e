"""Which moments of an index are most like some words?  search_index.py DIR WORDS..."""

import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as parquet

from encoders.imagebind.encoder import ImageBindEncoder

folder, *words = sys.argv[1:]
table = parquet.read_table(f"{folder}/embeddings")
encoder = ImageBindEncoder(modalities=["text"])  # type: ignore[list-item]
if table["space_id"].unique().to_pylist() != [encoder.space_id]:
    sys.exit(f"the index is of {table['space_id'].unique().to_pylist()}, not {encoder.space_id}")
vectors = np.stack(table["vector"].to_numpy(zero_copy_only=False))
rows = table.drop_columns(["vector"]).to_pylist()
for word, likeness in zip(words, encoder.encode_text(words) @ vectors.T, strict=True):
    for n in likeness.argsort()[::-1][:3]:
        row = rows[n]
        when = datetime.fromtimestamp(row["end_ns"] / 1e9, UTC).strftime("%F %T")
        place = f"{row['robot']}/{row['stream']}"
        print(f"{likeness[n]:.2f}  {word}: {place} at {when} of {row['file']}")
