"""Paired scenes: pure, balanced, and with combinations that training never sees."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from bindstream.types import ImuMeta, Modality
from sensors.world.observations import FRAME_SPAN_S, HELD_OUT_KINDS, held_out_kinds, observe, scene
from sensors.world.state import BANKS, FACTORS, WorldState

_DIGEST = """
import hashlib, sys
from sensors.world.observations import observe
seen = observe(7, 11, "test")
digest = hashlib.sha256()
for part in (seen.frames, seen.audio, seen.depth, seen.thermal, seen.imu):
    digest.update(part.tobytes())
print(digest.hexdigest())
"""


def test_two_processes_observe_the_same_scene() -> None:
    """Breaks if anything but (seed, index, split) decides: hash seeds, caches, global state."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": ":".join(p for p in sys.path if p), "PYTHONHASHSEED": str(n)},
        ).stdout
        for n in (1, 2)
    }
    assert len(digests) == 1


def test_one_sensor_alone_sees_the_same_as_among_all() -> None:
    """Breaks if rendering one sensor changes another's draws."""
    whole = observe(1, 5)
    for name, field in (("vision", "frames"), ("audio", "audio"), ("depth", "depth"),
                        ("thermal", "thermal"), ("imu", "imu")):  # fmt: skip
        alone = observe(1, 5, sensors=[name])
        assert np.array_equal(getattr(alone, field), getattr(whole, field))
        others = {"frames", "audio", "depth", "thermal", "imu"} - {field}
        assert all(getattr(alone, other) is None for other in others)


def test_windows_have_the_documented_format() -> None:
    """Breaks if a window no longer fits `bindstream.types.Window`."""
    seen = observe(2, 3)
    assert seen.frames.shape == (2, 224, 224, 3)
    assert (seen.audio.shape, seen.audio.dtype) == ((32000,), np.float32)
    assert (seen.imu.shape, seen.imu.dtype) == ((6, 2000), np.float32)
    assert seen.meta[Modality.VISION].span_ns == round(FRAME_SPAN_S * 1e9)
    assert isinstance(seen.meta[Modality.IMU], ImuMeta)
    assert set(seen.truth) == set(FACTORS)


def kinds_of(state: WorldState) -> frozenset[str]:
    truth = state.truth()
    names, distances = zip(*((t.name, t.distance) for t in state.things), strict=True)
    return held_out_kinds(names, distances, {k: str(truth[k]) for k in FACTORS if k != "object"})


def test_splits_hold_what_they_say() -> None:
    """Breaks if training sees a combination kept out, or if held_out shows a seen one."""
    for split in ("train", "test"):
        assert not any(kinds_of(scene(0, i, split)[0]) for i in range(800))
    found = Counter(k for i in range(400) for k in kinds_of(scene(0, i, "held_out")[0]))
    assert all(found[kind] > 80 for kind in HELD_OUT_KINDS)


def test_banks_of_skins_are_disjoint() -> None:
    """Breaks if a test scene wears a skin that training has seen."""
    skins: dict[str, set[int]] = {}
    for split in ("train", "test", "held_out"):
        for i in range(300):
            state, _ = scene(0, i, split)
            worn = {state.wall_skin, state.floor_skin, *(thing.skin for thing in state.things)}
            skins.setdefault(split, set()).update(worn)
    assert not skins["train"] & (skins["test"] | skins["held_out"])
    assert sum(count for _, count in BANKS.values()) >= len(skins["train"] | skins["test"])


def test_what_is_kept_out_leaves_no_trace() -> None:
    """Breaks if one factor lets guess another: a sensor that sees one could then answer both."""
    pairs: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    for i in range(6000):
        truth = scene(1, i)[0].truth()
        first = truth["object"][0]
        words = {factor: first if factor == "object" else str(truth[factor]) for factor in FACTORS}
        for known in FACTORS:
            for guessed in ("distance", "motion", "ambient", "light"):
                if known != guessed:
                    seen = pairs.setdefault((known, guessed), Counter())
                    seen[words[known], words[guessed]] += 1
    for (known, guessed), seen in pairs.items():
        best: Counter[str] = Counter()
        for (word, _), n in seen.items():
            best[word] = max(best[word], n)
        chance = 1 / len(FACTORS[guessed])
        assert sum(best.values()) / 6000 < 1.4 * chance, (known, guessed)


def test_an_unknown_split_is_refused() -> None:
    """Breaks if a typing error silently becomes another data set."""
    with pytest.raises(ValueError, match="heldout"):
        scene(0, 0, "heldout")
