"""When a stream was paused: what is missing of that time is nobody's fault. Pure."""

from __future__ import annotations

from bindstream.types import Reason, Stamped

FOR_EVER_NS = 1 << 62


class Pauses:
    """Hears what happens to the device, by its clock, and excuses holes."""

    def __init__(self) -> None:
        self._paused_ns = (0, 0)

    def hear(self, name: str, now_ns: int) -> None:
        """``stream_paused`` begins one; whatever follows ends it."""
        begin_ns, end_ns = self._paused_ns
        if name == "stream_paused":
            self._paused_ns = (now_ns, FOR_EVER_NS)
        elif end_ns == FOR_EVER_NS:
            self._paused_ns = (begin_ns, now_ns)

    def reason(self, hole: Stamped) -> Reason:
        """Why nothing could be cut there."""
        begin_ns, end_ns = self._paused_ns
        paused = hole.start_ns < end_ns and begin_ns < hole.end_ns
        return Reason.PAUSED if paused else Reason.SENSOR_GAP
