"""A stream cuts what its encoder wants, also when another encoder takes its place."""

from __future__ import annotations

import time
from typing import Any

from bindstream.formats import Map, WindowFormat
from bindstream.types import Embedding, Health, Modality, Reason, Tombstone, Window
from tests.patience import until
from tests.pipeline.robot import HOP_S, Robot
from tests.system.toy_encoder import ToyEncoder


class Scaled(ToyEncoder):
    """Wants depth of one size, refuses another, and remembers what came."""

    def __init__(self, side: int, version: str, modalities: Any = None) -> None:
        windows: dict[Modality, WindowFormat] = {Modality.DEPTH: Map(size_px=side)}
        super().__init__(None, modalities=modalities, windows=windows)
        self.encoder_id = f"toy/{version}/float32"
        self.side = side
        self.shapes: list[tuple[int, ...]] = []
        self.prepared: list[tuple[Modality, int]] = []

    def prepare(self, modality: Modality) -> None:
        self.prepared.append((modality, len(self.shapes)))

    def encode(self, windows: list[Window]) -> Any:
        self.shapes += [w.data.shape for w in windows]
        vectors = super().encode(windows)
        for row, window in zip(vectors, windows, strict=True):
            row[:] = row if window.data.shape == (self.side, self.side) else float("nan")
        return vectors


def in_order(robot: Robot) -> None:
    seen = robot.outcomes()
    assert [m.seq for m in seen] == list(range(len(seen)))
    assert len({m.epoch for m in seen}) == 1


def test_another_encoder_gets_its_own_windows_and_seq_goes_on():
    """Breaks if a stream goes on cutting for the encoder that is gone: every window of it would be
    refused until somebody restarted the stream."""
    first, second = Scaled(8, "1"), Scaled(6, "2")
    with Robot("depth") as robot:
        robot.start("depth", first)
        robot.wait(Embedding, 3)
        replaced_s = time.monotonic()
        robot.handles["depth"].replace(second)
        until(lambda: second.shapes.count((6, 6)) >= 1, "windows of the new size")
        noticed_s = time.monotonic() - replaced_s
        until(lambda: second.shapes.count((6, 6)) >= 3, "more of them")
        n = len(robot.of(Embedding))
        robot.wait(Embedding, n + 3)
        changed = robot.events("format_changed")
        counted = robot.of(Health)[-1].detail
    assert set(first.shapes) == {(8, 8)}
    assert first.prepared == [(Modality.DEPTH, 0)]
    assert len(changed) == 1
    assert "size_px=6" in changed[0]["why"]
    assert set(second.shapes) <= {(8, 8), (6, 6)}
    refused = robot.of(Tombstone, reason=Reason.INVALID_INPUT)
    assert len(refused) == second.shapes.count((8, 8)) <= 1 + noticed_s / HOP_S
    assert counted["samples"] > 3
    in_order(robot)


def test_another_encoder_of_the_same_windows_changes_nothing():
    """Breaks if a new version costs a stream its windower, and with it a window's length."""
    second = Scaled(8, "2")
    with Robot("depth") as robot:
        ingest = robot.start("depth", Scaled(8, "1"))
        robot.wait(Embedding, 2)
        windower = ingest._cutter._windower
        robot.handles["depth"].replace(second)
        until(lambda: second.prepared, "the new encoder was asked")
        n = len(robot.of(Embedding))
        robot.wait(Embedding, n + 3)
        assert robot.events("format_changed") == []
        assert ingest._cutter._windower is windower
    in_order(robot)


def test_an_encoder_that_cannot_take_the_stream_is_told_and_another_heals_it():
    """Breaks if a stream without a format it can cut is silent about why, or never looks again."""
    with Robot("depth") as robot:
        robot.start("depth", Scaled(8, "1"))
        robot.wait(Embedding, 2)
        robot.handles["depth"].replace(Scaled(8, "2", modalities=(Modality.AUDIO,)))
        told = "its encoder takes no depth, only audio"
        until(lambda: robot.of(Health)[-1].detail["why"] == told, told)
        assert robot.events("unfit_encoder")
        robot.handles["depth"].replace(Scaled(6, "3"))
        n = len(robot.of(Embedding))
        robot.wait(Embedding, n + 3)
        until(lambda: robot.of(Health)[-1].detail["why"] == "", "well again")
    in_order(robot)


class Broken(Scaled):
    def prepare(self, modality: Modality) -> None:
        raise MemoryError("no room for the tower")


def test_a_tower_that_cannot_be_loaded_is_told():
    """Breaks if a stream waits for its encoder for ever and nobody learns what it said."""
    with Robot("depth") as robot:
        robot.start("depth", Broken(8, "1"))
        until(
            lambda: [h for h in robot.of(Health) if "no room for the tower" in h.detail["why"]],
            "the encoder's own words",
        )
