"""Part files, as a user's own tools read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from bindstream.types import Reason
from deploy.index.gathering import Part
from deploy.index.parts import Parts, vectors_of
from deploy.live.digests import Digest
from tests.deploy.index.outcomes import embedding, tombstone

FILE = Path("/data/drive.mcap")


def part(vectors: list[int], lost: list[int] = ()) -> Part:
    return Part({n: embedding(n) for n in vectors}, {n: tombstone(n) for n in lost})


def test_a_part_says_all_of_each_vector_in_order(tmp_path):
    """Breaks if a column is missing or of another type, rows are not in the order of seq, or a
    vector is not the same to the bit."""
    parts = Parts(tmp_path)
    parts.put("k-ears", 0, part([2, 0, 1]), FILE)
    table = parquet.read_table(tmp_path / "embeddings")
    assert table["seq"].to_pylist() == [0, 1, 2]
    assert np.array_equal(vectors_of(table), np.stack([embedding(n).vector for n in range(3)]))
    first = table.to_pylist()[0]
    del first["vector"]
    assert first == {
        "robot": "r2", "stream": "ears", "modality": "audio", "epoch": 0, "seq": 0, "start_ns": 0,
        "end_ns": 2 * 10**9, "file": str(FILE), "n_missing": 0, "space_id": "tiny:0",
        "encoder_id": "a/1/float32",
    }  # fmt: skip


def test_what_is_there_is_found_and_a_killed_draft_is_not(tmp_path):
    """Breaks if a file that was being written at a kill passes for a whole part, or a part whose
    windows were all dropped is done again at every start."""
    parts = Parts(tmp_path)
    parts.put("k-ears", 0, part([0, 1], [2]), FILE)
    parts.put("k-ears", 1, part([], [3, 4]), FILE)
    parts.put("k-front-left", 12, part([7]), FILE)
    (tmp_path / "embeddings" / ".tmp-k-ears-000002.parquet").write_bytes(b"PAR1 half of")
    again = Parts(tmp_path)
    assert again.found() == {"k-ears": {0, 1}, "k-front-left": {12}}
    assert not list((tmp_path / "embeddings").glob(".tmp*"))
    assert parquet.read_table(tmp_path / "embeddings").num_rows == 3


def test_the_reasons_of_what_was_dropped_are_counted(tmp_path):
    """Breaks if windows without a vector vanish."""
    parts = Parts(tmp_path)
    lost = {5: tombstone(5, Reason.INVALID_INPUT), 6: tombstone(6)}
    parts.put("k-ears", 0, Part({4: embedding(4)}, lost), FILE)
    parts.put("k-ears", 1, part([], [300]), FILE)
    assert parts.reasons("k-ears") == {"invalid_input": 1, "sensor_gap": 2}
    assert parts.reasons("k-eyes") == {}


def test_the_digest_is_that_of_a_replay(tmp_path):
    """Breaks if an index and a replay of the same vectors do not print the same hash."""
    parts, told = Parts(tmp_path), Digest()
    parts.put("k-ears", 1, part([2, 3]), FILE)
    parts.put("k-ears", 0, part([0, 1]), FILE)
    for one in map(embedding, range(4)):
        told.add(one.start_ns, one.end_ns, one.vector.tobytes())
    digest = parts.digest("k-ears")
    assert (digest.count, digest.hex) == (4, told.hex)


def test_a_disk_that_is_full_leaves_no_part(tmp_path, monkeypatch):
    """Breaks if a part that could not be written is found as one by the next start."""
    parts = Parts(tmp_path)

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            parts.put("k-ears", 0, part([0]), FILE)
    assert Parts(tmp_path).found() == {}


def test_removed_is_one_stream_alone(tmp_path):
    """Breaks if the rows of a changed file stay, or another stream's go with them."""
    parts = Parts(tmp_path)
    parts.put("k-ears", 0, part([0], [1]), FILE)
    parts.put("k-ears-left", 0, part([0], [1]), FILE)
    parts.remove("k-ears")
    assert parts.found() == {"k-ears-left": {0}}
    assert parts.reasons("k-ears-left") == {"sensor_gap": 1}
