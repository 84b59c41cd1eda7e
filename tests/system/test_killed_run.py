"""``bindstream run`` killed as by the kernel: nothing of it may live on beside the next run."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.system.robot import Robot
from tests.system.test_overload import TOY, stream

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
ARGS = {
    "encoder": {"kind": TOY, "weights": None},
    "streams": [stream("depth", "depth", hop_s=0.5)],
}


def test_a_killed_run_is_reaped_by_the_next(tmp_path: Path) -> None:
    """Fails when an orphan keeps a device or a port, or when a new start reuses an epoch."""
    with Robot(tmp_path, ARGS) as first:
        before = first.wait_for("embedding", "depth", 2)[-1]
        orphans = first.family()
        assert first.process is not None
        first.process.kill()
        first.process.wait(60)
    (tmp_path / "again").mkdir()
    with Robot(tmp_path / "again", ARGS, env=shared(first)) as second:
        after = second.wait_for("embedding", "depth", 2)[-1]
        alive = [p for p in orphans if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        assert not alive, f"outlived the killed run: {alive}"
        assert after["epoch"] > before["epoch"]
        assert second.stop() == 0


def shared(robot: Robot) -> dict[str, str]:
    """The same machine and user: the folders where a run leaves its traces."""
    return {k: robot.env[k] for k in ("BINDSTREAM_RUNTIME_DIR", "BINDSTREAM_STATE_DIR")}
