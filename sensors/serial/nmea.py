"""Lines in the manner of NMEA 0183: bytes -> readings. Pure.

Source: NMEA 0183 v4.10, section 5.3 (sentences): ``$`` or ``!``, an address, fields between commas,
``*`` and the XOR, in hex, of the bytes between. What the fields mean the configuration says: no
standard sentence holds acceleration. Unlike CSV, the check must be there, and sentences of other
addresses (a receiver's GGA) are passed over.
"""

from __future__ import annotations

from sensors.serial.line_buffer import LineBuffer
from sensors.serial.lines import Lines, shown
from sensors.serial.witmotion import Reading


class Nmea:
    """Parses sentences that may begin anywhere and may be damaged.

    ``sentence``: the address of those that hold readings, None for any. ``values`` reads their
    fields. ``bad`` counts lines that were no sentence, ``skipped`` bytes of lines without end.
    """

    unpaired = 0

    def __init__(self, values: Lines, sentence: str | None = None) -> None:
        self.seen: set[str] = set()
        self.time_unit = values.time_unit
        self._values = values
        self._sentence = sentence
        self._lines = LineBuffer()
        self._bad = 0
        self._why = ""
        self._began = False

    @property
    def bad(self) -> int:
        """Lines that were no sentence, or whose fields were no reading."""
        return self._bad + self._values.bad

    @property
    def skipped(self) -> int:
        """Bytes that went on without any end of a line."""
        return self._lines.skipped

    @property
    def why(self) -> str:
        """What was wrong with the last line that was no reading."""
        return self._values.why or self._why

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that are complete after these bytes, oldest first."""
        return [reading for line in self._lines.feed(data) for reading in self._reading(line)]

    def _reading(self, line: bytes) -> list[Reading]:
        began, self._began = self._began, True
        if not line.startswith((b"$", b"!")) or line[-3:-2] != b"*":
            self._bad += began  # the first is often cut off: that is no damage
            self._why = f"a line such as {shown(line)} is no sentence ($...*hh)"
            return []
        address = line[1:].partition(b",")[0].decode("ascii", "replace")
        self.seen.add(address)
        if self._sentence not in (None, address):
            came = ", ".join(sorted(self.seen)[:8])
            self._why = f"sentences {came} come, but no {self._sentence}"
            return []
        return self._values.feed(line + b"\n")
