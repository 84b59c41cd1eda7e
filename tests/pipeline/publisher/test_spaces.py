"""Scenes of several spaces: never joined, each with its own count."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from bindstream.types import Embedding, Modality, Scene
from pipeline.publisher.spaces import FORGET_NS, Spaces

S = 1_000_000_000
STREAMS = {"front": Modality.VISION, "mic": Modality.AUDIO, "imu": Modality.IMU}


def spaces(**options: Any) -> Spaces:
    numbers = count(6)
    made = Spaces("demo", 5, options.pop("next_epoch", lambda: next(numbers)), **options)
    for stream, modality in STREAMS.items():
        made.meet(stream, modality, 2 * S)
    return made


def embedding(
    stream: str, seq: int, end_s: float, space_id: str = "a:0", dim: int = 3
) -> Embedding:
    return Embedding(
        robot="demo",
        stream=stream,
        modality=STREAMS.get(stream, Modality.DEPTH),
        epoch=1,
        seq=seq,
        start_ns=0,
        end_ns=round(end_s * S),
        captured_ns=0,
        windowed_ns=0,
        encoded_ns=0,
        queue_ms=0.0,
        encode_ms=0.0,
        n_missing=0,
        encoder_id="",
        space_id=space_id,
        vector=np.eye(dim, dtype=np.float32)[0],
    )


def at(made: Spaces, tick_s: float) -> list[Scene]:
    return made.tick(round(tick_s * S), lambda *_: {})


def told(scenes: list[Scene]) -> list[tuple[str, int, int, dict[str, int]]]:
    return [(s.space_id, s.epoch, s.seq, {m.stream: m.seq for m in s.members}) for s in scenes]


def test_two_encoders_of_two_spaces_have_each_their_scenes():
    """Breaks if whoever published first decides which streams are never joined, or a scene lists
    streams as missing that can never be in it."""
    made = spaces()
    assert made.add(embedding("front", 0, 1.0))
    assert made.add(embedding("mic", 0, 1.0, "b:1", dim=4))
    assert told(at(made, 1.0)) == [
        ("a:0", 5, 0, {"front": 0, "imu": -1}),
        ("b:1", 6, 0, {"imu": -1, "mic": 0}),
    ]
    assert made.add(embedding("imu", 0, 1.2))
    assert told(at(made, 1.5)) == [
        ("a:0", 5, 1, {"front": 0, "imu": 0}),
        ("b:1", 6, 1, {"mic": 0}),
    ]
    assert [len(s.vector) for s in at(made, 2.0)] == [3, 4]


def test_a_stream_moves_to_the_space_of_its_newest_vector():
    """Breaks if a replaced encoder's old vectors go on for two seconds beside its new ones, or a
    late answer of the old one brings a stream back."""
    made = spaces()
    for stream in STREAMS:
        made.add(embedding(stream, 0, 1.0))
    at(made, 1.0)
    made.add(embedding("front", 1, 1.5, "b:1"))
    assert told(at(made, 1.5)) == [
        ("a:0", 5, 1, {"imu": 0, "mic": 0}),
        ("b:1", 6, 0, {"front": 1}),
    ]
    assert not made.add(embedding("front", 0, 1.0))
    assert made.stats()["old"] == 1
    for stream in ("mic", "imu"):
        made.add(embedding(stream, 1, 2.0, "b:1"))
    assert told(at(made, 2.0)) == [("b:1", 6, 1, {"front": 1, "imu": 1, "mic": 1})]


def test_a_space_without_fresh_vectors_is_forgotten_and_begins_anew():
    """Breaks if every encoder that a robot ever had is kept for ever; or if seqs of a space that
    comes back run backward."""
    made = spaces()
    made.add(embedding("front", 0, 1.0))
    at(made, 1.0)
    made.add(embedding("front", 1, 2.0, "b:1"))
    later_s = 3.0 + FORGET_NS / S
    for seq, end_s in ((2, 30.0), (3, later_s)):
        made.add(embedding("front", seq, end_s, "b:1"))
        at(made, end_s)
    made.add(embedding("front", 4, later_s + 1))
    (scene,) = at(made, later_s + 1)
    assert (scene.space_id, scene.epoch, scene.seq) == ("a:0", 7, 0)


def test_one_space_alone_is_never_forgotten():
    """Breaks if a robot that was paused for an hour loses its scenes' sequence."""
    made = spaces()
    made.add(embedding("front", 0, 1.0))
    at(made, 1.0)
    for tick_s in (10.0, 1000.0, 3600.0):
        assert at(made, tick_s) == []
    made.add(embedding("front", 1, 3601.0))
    assert told(at(made, 3601.0))[0][1:3] == (5, 1)


def test_a_disk_that_is_full_costs_the_new_space_and_no_other():
    """Breaks if an epoch that cannot be had silences the robot."""

    def full() -> int:
        raise OSError("no space left")

    made = spaces(next_epoch=full)
    assert made.add(embedding("front", 0, 1.0))
    assert not made.add(embedding("mic", 0, 1.0, "b:1"))
    assert made.stats()["no_epoch"] == 1
    assert told(at(made, 1.0)) == [("a:0", 5, 0, {"front": 0, "imu": -1, "mic": -1})]


def test_strangers_and_vectors_of_another_length_are_refused_and_counted():
    """Breaks if one wrong vector ends the join, or moves its stream."""
    made = spaces()
    made.add(embedding("front", 0, 1.0))
    assert not made.add(embedding("cellar", 0, 1.0))
    assert not made.add(embedding("mic", 0, 1.0, dim=7))
    assert (made.stats()["unknown_stream"], made.stats()["other_space"]) == (1, 1)
    assert told(at(made, 1.0)) == [("a:0", 5, 0, {"front": 0, "imu": -1, "mic": -1})]
