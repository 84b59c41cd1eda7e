"""The join: who is a member, with what weight, and what comes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.types import Embedding, Modality, Scene
from pipeline.publisher.scene import Join
from tests.pipeline.windows.oracle import MS, T0

STREAMS = {
    "front": Modality.VISION,
    "rear": Modality.VISION,
    "mic": Modality.AUDIO,
    "imu": Modality.IMU,
}
MAX_AGE_NS = dict.fromkeys(STREAMS, 2500 * MS)


def _join(weights: dict[str, float] | None = None, **options: Any) -> Join:
    join = Join("demo", 5, **options)
    for stream, modality in STREAMS.items():
        join.meet(stream, modality, MAX_AGE_NS[stream])
    join.configure(weights or {})
    return join


def _embedding(stream: str, seq: int, end_ms: int, vector: Any = None, **other: Any) -> Embedding:
    direction = np.asarray([1, 0, 0] if vector is None else vector, np.float32)
    fields = {
        "robot": "demo",
        "stream": stream,
        "modality": STREAMS.get(stream, Modality.AUDIO),
        "epoch": 1,
        "seq": seq,
        "start_ns": T0,
        "end_ns": T0 + end_ms * MS,
        "captured_ns": 0,
        "windowed_ns": 0,
        "encoded_ns": 0,
        "published_ns": 0,
        "queue_ms": 0.0,
        "encode_ms": 0.0,
        "n_missing": 0,
        "space_id": "toy:0",
        "encoder_id": "",
        "vector": direction,
    }
    return Embedding(**(fields | other))


def _tick(join: Join, ms: int) -> Scene:
    scene = join.tick(T0 + ms * MS)
    assert scene is not None
    return scene


def test_equal_weight_per_modality_split_among_its_streams() -> None:
    """Breaks if two cameras outvote the microphone."""
    join = _join()
    for stream in ("front", "rear", "mic"):
        assert join.add(_embedding(stream, 0, 1000))
    weights = {m.stream: m.weight for m in _tick(join, 1000).members}
    assert weights == {"front": 0.25, "rear": 0.25, "mic": 0.5, "imu": 0.0}


def test_the_missing_are_named_in_the_order_of_their_names() -> None:
    """Breaks if a reader cannot tell which stream is not in the scene."""
    join = _join()
    join.add(_embedding("mic", 7, 600))
    scene = _tick(join, 1000)
    assert [m.stream for m in scene.members] == sorted(STREAMS)
    mic = scene.members[2]
    assert (mic.seq, mic.weight, mic.age_ms) == (7, 1.0, 400.0)
    for member in (*scene.members[:2], scene.members[3]):
        assert (member.seq, member.weight, member.age_ms) == (-1, 0.0, None)


def test_age_decides_membership_to_the_nanosecond() -> None:
    """Breaks if a stale embedding is joined, or one that ends after the tick."""
    join = _join()
    join.add(_embedding("mic", 0, 0))
    assert join.tick(T0 - 1) is None
    assert join.tick(T0) is not None
    assert join.tick(T0 + 2500 * MS) is not None
    assert join.tick(T0 + 2500 * MS + 1) is None
    assert join.stats()["no_member"] == 2


def test_an_embedding_that_ends_after_the_tick_does_not_hide_the_one_before() -> None:
    """Breaks if the delay of the tick lets a member jump ahead of it, or drop out."""
    join = _join()
    join.add(_embedding("mic", 0, 900))
    join.add(_embedding("mic", 1, 1050))
    assert _tick(join, 1000).members[2].seq == 0
    assert _tick(join, 1500).members[2].seq == 1


def test_seq_counts_scenes_alone() -> None:
    """Breaks if a tick without a scene leaves a gap that readers take for loss."""
    join = _join()
    assert join.tick(T0) is None
    join.add(_embedding("mic", 0, 0))
    seqs = [_tick(join, ms).seq for ms in (0, 500)]
    assert join.tick(T0 + 9000 * MS) is None
    join.add(_embedding("mic", 1, 9000))
    assert [*seqs, _tick(join, 9000).seq] == [0, 1, 2]
    assert _tick(join, 9000).epoch == 5


def test_configured_weights_replace_the_default_share() -> None:
    """Breaks if weights are not scaled over those present, or do not reach the vector."""
    join = _join(weights={"front": 3.0, "mic": 1.0, "rear": 0.0, "imu": 0.0})
    join.add(_embedding("front", 0, 0, [1, 0, 0]))
    join.add(_embedding("mic", 0, 0, [0, 1, 0]))
    scene = _tick(join, 0)
    assert [m.weight for m in scene.members] == [0.75, 0.0, 0.25, 0.0]
    assert np.allclose(scene.vector, np.array([3, 1, 0]) / np.sqrt(10))


def test_members_without_any_weight_make_no_scene() -> None:
    """Breaks if a scene is divided by zero."""
    join = _join(weights=dict.fromkeys(STREAMS, 0.0))
    join.add(_embedding("mic", 0, 0))
    assert join.tick(T0) is None


def test_members_that_cancel_out_make_no_scene() -> None:
    """Breaks if noise of rounding is scaled up to a unit vector."""
    join = _join()
    join.add(_embedding("front", 0, 0, [1, 0, 0]))
    join.add(_embedding("mic", 0, 0, [-1, 0, 0]))
    assert join.tick(T0) is None
    assert join.stats()["no_direction"] == 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (_embedding("stranger", 9, 10), "unknown_stream"),
        (_embedding("mic", 9, 10, space_id="other:1"), "other_space"),
        (_embedding("mic", 9, 10, [1, 0]), "other_space"),
        (_embedding("mic", 9, 10, [np.nan, 0, 0]), "not_finite"),
        (_embedding("mic", 0, 10), "old"),
        (_embedding("mic", 9, 10, epoch=0), "old"),
    ],
)
def test_what_cannot_be_joined_is_refused_and_counted(bad: Embedding, why: str) -> None:
    """Breaks if vectors of two spaces are added, or a NaN becomes a scene."""
    join = _join()
    assert join.add(_embedding("mic", 0, 0))
    assert not join.add(bad)
    assert join.stats() == {why: 1}
    assert _tick(join, 0).members[2].seq == 0


def test_a_new_epoch_starts_its_seq_again() -> None:
    """Breaks if a restarted stream stays out of the scene until its seq has caught up."""
    join = _join()
    join.add(_embedding("mic", 900, 0))
    assert join.add(_embedding("mic", 0, 500, epoch=2))
    assert _tick(join, 500).members[2].seq == 0


def test_words_are_asked_of_the_members_that_are_joined() -> None:
    """Breaks if words and vector of one scene come from different embeddings."""
    join = _join()
    join.add(_embedding("mic", 0, 900, [0, 1, 0]))
    join.add(_embedding("mic", 1, 1050, [1, 0, 0]))
    join.add(_embedding("front", 0, 1000, [0, 0, 1]))
    asked: list[Any] = []

    def words(space_id: str, present: Any) -> dict[str, str]:
        asked.append((space_id, [(m, w, v.tolist()) for m, w, v in present]))
        return {"what": "dog"}

    scene = join.tick(T0 + 1000 * MS, words)
    assert scene is not None
    assert scene.words == {"what": "dog"}
    front, mic = (Modality.VISION, 0.5, [0, 0, 1]), (Modality.AUDIO, 0.5, [0, 1, 0])
    assert asked == [("toy:0", [front, mic])]


def test_a_stream_that_left_is_no_member() -> None:
    """Breaks if a removed stream's last vector goes on in the scenes, or its name in the rows."""
    join = _join()
    join.add(_embedding("front", 0, 0))
    join.add(_embedding("mic", 0, 0))
    join.leave("mic")
    scene = _tick(join, 0)
    assert "mic" not in {m.stream for m in scene.members}
    assert {m.stream: m.weight for m in scene.members}["front"] == 1.0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(STREAMS)), st.integers(0, 400), st.integers(0, 2**31)),
        max_size=40,
    ),
    st.integers(0, 8000),
)
def test_against_the_obvious_way(arrivals: list[tuple[str, int, int]], tick_ms: int) -> None:
    """Breaks if members, weights or the vector differ from the rule, whatever arrived."""
    join = _join()
    kept: dict[str, list[Embedding]] = {s: [] for s in STREAMS}
    ends = dict.fromkeys(STREAMS, 0)
    for stream, step_ms, seed in arrivals:
        ends[stream] += step_ms
        vector = np.random.default_rng(seed).normal(size=8)
        e = _embedding(stream, len(kept[stream]), ends[stream], vector / np.linalg.norm(vector))
        kept[stream].append(e)
        assert join.add(e)
    newest = {
        s: [e for e in kept[s][-16:] if T0 + (tick_ms - 2500) * MS <= e.end_ns <= T0 + tick_ms * MS]
        for s in STREAMS
    }
    present = {s: found[-1] for s, found in newest.items() if found}
    scene = join.tick(T0 + tick_ms * MS)
    if not present:
        assert scene is None
        return
    assert scene is not None
    n_modalities = len({e.modality for e in present.values()})
    share = {
        s: 1 / n_modalities / sum(o.modality == e.modality for o in present.values())
        for s, e in present.items()
    }
    total = sum(share[s] * e.vector.astype(float) for s, e in present.items())
    assert np.allclose(scene.vector, total / np.linalg.norm(total), atol=1e-5)
    assert abs(np.linalg.norm(scene.vector) - 1) < 1e-6
    for m in scene.members:
        assert m.weight == pytest.approx(share.get(m.stream, 0.0))
        assert m.seq == (present[m.stream].seq if m.stream in present else -1)
