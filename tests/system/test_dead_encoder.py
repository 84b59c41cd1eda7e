"""An encoder that lives and gives nothing any more: found out, replaced, the robot goes on."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from bindstream.types import Vector, Window
from tests.system.robot import Robot
from tests.system.test_overload import stream
from tests.system.toy_encoder import ToyEncoder

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


class Mortal(ToyEncoder):
    """When ``order`` is written anew, those born before do what it says for ever: raise, or
    hang. Their replacements do not."""

    def __init__(self, weights: str | None, *, order: str, **options: object) -> None:
        super().__init__(weights, **options)  # type: ignore[arg-type]
        self._order = Path(order)
        self._before = self._order.read_text()

    def encode(self, windows: list[Window]) -> Vector:
        order = self._order.read_text()
        if order != self._before:
            if order == "hang":
                time.sleep(3600)
            raise RuntimeError("CUDA error: device-side assert triggered")
        return super().encode(windows)


@pytest.mark.parametrize("order", ["raise", pytest.param("hang", marks=pytest.mark.long)])
def test_one_that_gives_nothing_any_more_is_replaced(tmp_path: Path, order: str) -> None:
    """Fails when a poisoned device or a hung kernel silences a robot until an operator comes."""
    written = tmp_path / "order"
    written.write_text("work")
    args = {
        "encoder": {
            "kind": "tests.system.test_dead_encoder:Mortal",
            "weights": None,
            "options": {"order": str(written)},
        },
        "streams": [stream("depth", "depth", hop_s=0.5)],
    }
    with Robot(tmp_path, args) as robot:
        robot.wait_for("embedding", "depth", 3)
        before = robot.replica("encoder").pid
        (tmp_path / "next").write_text(order)
        (tmp_path / "next").rename(written)
        robot.wait("other replica", lambda _: _replica(robot) not in (None, before))
        so_far = len(robot.of("embedding", "depth"))
        robot.wait_for("embedding", "depth", so_far + 3)
        assert robot.stop() == 0


def _replica(robot: Robot) -> int | None:
    try:
        return robot.replica("encoder").pid
    except (LookupError, psutil.Error):  # between two
        return None
