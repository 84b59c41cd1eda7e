"""What a parser of an inertial sensor's bytes promises."""

from __future__ import annotations

from typing import Protocol

from sensors.serial.witmotion import Reading


class Parser(Protocol):
    """Bytes -> readings of six values, m/s2 then rad/s, and a seventh where ``time_unit`` says what
    it is: the device's own time. Counts what it could not use. One that must be asked (BNO055)
    has ``request`` too, see sensors.serial.poll.
    """

    @property
    def bad(self) -> int:
        """Frames or lines that were none."""

    @property
    def skipped(self) -> int:
        """Bytes that belonged to none."""

    @property
    def unpaired(self) -> int:
        """Halves of a reading whose other half did not come."""

    @property
    def time_unit(self) -> str | None:
        """The unit of the seventh value (sensors.device_clock.UNITS), None where there is none;
        known once a reading has come."""

    @property
    def why(self) -> str:
        """What was wrong with the last bytes that were no reading."""

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that these bytes complete."""
