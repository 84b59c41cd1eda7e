"""Part files: the outcomes of windows in a row, as Parquet. Needs pyarrow (the extra ``index``)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bindstream.types import Embedding, Tombstone
from deploy.index.gathering import Part
from deploy.live.digests import Digest

EMBEDDINGS, DROPPED = "embeddings", "dropped"
"""Folders: what has a vector, and what has none with its reason."""
STAMP = ("robot", "stream", "modality", "epoch", "seq", "start_ns", "end_ns")
_DRAFT = ".tmp-"
_NAME, _ALL_NAME = "{}-{:06d}.parquet", "{}-{:06d}-all.parquet"
"""The second: of a part whose windows were all dropped, which has no file of vectors."""
_FILE = re.compile(r"(.+?)-(\d{6,})(-all)?\.parquet\Z")


class Parts:
    """Those under one folder. A part that is there is whole: it gets its name once it is written
    and on the disk. Only one program may write at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for kind in (EMBEDDINGS, DROPPED):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            for draft in (folder / kind).glob(f"{_DRAFT}*"):
                draft.unlink()  # of a start that was killed

    def found(self) -> dict[str, set[int]]:
        """The numbers of the parts that are there, by the stream's name."""
        numbers: dict[str, set[int]] = {}
        for kind, ending in ((EMBEDDINGS, None), (DROPPED, "-all")):
            for file in (self._folder / kind).iterdir():
                match = _FILE.match(file.name)
                if match and match[3] == ending:
                    numbers.setdefault(match[1], set()).add(int(match[2]))
        return numbers

    def put(self, name: str, number: int, part: Part, file: Path) -> None:
        """Write one: what was dropped first, since the vectors' file says that the part is done."""
        vectors = [part.embeddings[seq] for seq in sorted(part.embeddings)]
        if part.dropped:
            lost = [part.dropped[seq] for seq in sorted(part.dropped)]
            called = _NAME if vectors else _ALL_NAME
            self._write(DROPPED, called.format(name, number), dropped(lost, file))
        if vectors:
            self._write(EMBEDDINGS, _NAME.format(name, number), embeddings(vectors, file))

    def remove(self, name: str) -> None:
        """All of a stream."""
        for kind in (EMBEDDINGS, DROPPED):
            for file in list((self._folder / kind).iterdir()):
                if (match := _FILE.match(file.name)) and match[1] == name:
                    file.unlink()

    def digest(self, name: str) -> Digest:
        """Of all vectors of a stream: equal to that of ``bindstream replay --digest``."""
        import pyarrow.parquet as parquet

        told = Digest()
        for table in self._tables(EMBEDDINGS, name, parquet):
            starts, ends = table["start_ns"].to_pylist(), table["end_ns"].to_pylist()
            for start_ns, end_ns, vector in zip(starts, ends, vectors_of(table), strict=True):
                told.add(start_ns, end_ns, vector.tobytes())
        return told

    def reasons(self, name: str) -> dict[str, int]:
        """How many windows of a stream have no vector, by reason."""
        import pyarrow.parquet as parquet

        counts: dict[str, int] = {}
        for table in self._tables(DROPPED, name, parquet):
            for reason in table["reason"].to_pylist():
                counts[reason] = counts.get(reason, 0) + 1
        return counts

    def _tables(self, kind: str, name: str, parquet: Any) -> Iterator[Any]:
        for number in sorted(self.found().get(name, ())):
            for called in (_NAME, _ALL_NAME):
                file = self._folder / kind / called.format(name, number)
                if file.exists():
                    yield parquet.read_table(file)

    def _write(self, kind: str, name: str, table: Any) -> None:
        import pyarrow.parquet as parquet

        draft = self._folder / kind / f"{_DRAFT}{name}"
        with draft.open("wb") as file:
            parquet.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / kind / name)


def embeddings(rows: list[Embedding], file: Path) -> Any:
    """One row per vector, of which there is one at least. ``vector``: float32, of a fixed size."""
    import pyarrow as pa

    flat = pa.array(np.concatenate([row.vector for row in rows]), pa.float32())
    told = _stamps(rows, file) | {
        "n_missing": pa.array([row.n_missing for row in rows], pa.int64()),
        "space_id": pa.array([row.space_id for row in rows], pa.string()),
        "encoder_id": pa.array([row.encoder_id for row in rows], pa.string()),
    }
    told["vector"] = pa.FixedSizeListArray.from_arrays(flat, len(rows[0].vector))
    return pa.table(told)


def dropped(rows: list[Tombstone], file: Path) -> Any:
    """One row per window, or gap of several, that has no vector, and its ``reason``."""
    import pyarrow as pa

    reasons = [str(row.reason) for row in rows]
    return pa.table(_stamps(rows, file) | {"reason": pa.array(reasons, pa.string())})


def vectors_of(table: Any) -> Any:
    """(rows, dim) float32 of a table of embeddings."""
    column = table["vector"].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _stamps(rows: Iterable[Embedding | Tombstone], file: Path) -> dict[str, Any]:
    import pyarrow as pa

    rows = list(rows)
    types = dict.fromkeys(STAMP, pa.int64()) | dict.fromkeys(STAMP[:3], pa.string())
    columns = {
        name: pa.array([getattr(row, name) for row in rows], kind) for name, kind in types.items()
    }
    return columns | {"file": pa.array([str(file)] * len(rows), pa.string())}
