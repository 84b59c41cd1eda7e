"""How a robot is, as its publisher's thread left it: what other threads answer HTTP from."""

from __future__ import annotations

from typing import Any

import msgspec

from bindstream.types import Health


class Seen(msgspec.Struct, frozen=True):
    """Never changed once made. ``told``: of each stream, the newest health that readers got.

    ``ailing``: why a stream delivers nothing, of the ``judged`` ones that should. ``time``: of a
    robot whose streams tell it, what it is and for whom they wait.
    """

    robot: str = ""
    told: tuple[Health, ...] = ()
    scene: dict[str, int] = {}
    refused: int = 0
    labels: str = ""
    judged: int = 0
    ailing: dict[str, str] = {}
    time: dict[str, Any] = {}

    def status(self) -> dict[str, Any]:
        """Everything about every stream as plain data; {} before there is any."""
        if not self.robot:
            return {}
        return {
            "robot": self.robot,
            "streams": {h.stream: {**h.detail, "state": h.state} for h in self.told},
            "scene": self.scene,
            "refused": self.refused,
            "labels": self.labels,
            **({"time": self.time} if self.time else {}),
        }

    def health(self) -> dict[str, Any]:
        """``status``: ok, degraded or down, judged by what was published, and why per stream."""
        status = "degraded" if self.ailing else "ok"
        if not self.robot or (self.ailing and len(self.ailing) == self.judged):
            status = "down"
        return {"status": status, "streams": self.ailing}
