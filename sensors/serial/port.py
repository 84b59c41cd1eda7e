"""A serial port: what waits in it, read until it is empty, and whether that was all.

Linux gives at most 4,095 bytes of a terminal at a time, and fills it up again a moment later: so a
short read after an absence does not mean that nothing waits.
"""

from __future__ import annotations

import contextlib
import errno
import select
import time
from pathlib import Path

import serial

from bindstream.errors import ConfigError, DeviceBusy, DeviceLost, DeviceUnavailable

CHUNK = 4096
FULL = 4000
"""A read of so many bytes may have been cut short by the terminal's own buffer."""
MOST_BYTES = 1 << 16
WRITE_S = 0.5
AWAY_S = 0.05
CATCH_UP_S = 0.25
"""After an absence, how long arrivals tell of the reader's delay and not of the device."""


class SerialPort:
    """One port of one stream. ``drained``: nothing waited behind what ``take`` gave last."""

    def __init__(self, stream: str, path: str, baud: int) -> None:
        self.drained = False
        self._stream, self._path, self._baud = stream, path, baud
        self._serial: serial.Serial | None = None
        self._returned_s = self._behind_until_s = 0.0

    def open(self) -> None:
        """Take it for this process alone, and throw away what waits in it.

        Raises DeviceBusy, DeviceUnavailable, or ConfigError for a baud rate that it has not.
        """
        try:
            self._serial = serial.Serial(
                self._path, self._baud, timeout=0, write_timeout=WRITE_S, exclusive=True
            )
            self._serial.reset_input_buffer()
        except ValueError as error:
            raise ConfigError(f"stream '{self._stream}': option baud: {error}") from error
        except OSError as error:
            self.close()
            raise self._why_closed(error) from error
        self._returned_s = time.monotonic()

    def take(self, timeout_s: float) -> bytes:
        """All that the port holds; waits for the first byte. Raises DeviceLost."""
        if self._serial is None:
            raise DeviceLost(self._stream, "read before open")
        now_s = time.monotonic()
        if now_s - self._returned_s > AWAY_S:
            self._behind_until_s = now_s + CATCH_UP_S
        try:
            select.select([self._serial], [], [], max(timeout_s, 0.0))
            data = self._read_empty(self._serial)
        except (OSError, TypeError, ValueError) as error:  # ValueError: the file is closed
            raise DeviceLost(self._stream, f"{self._path} is gone: {error}") from error
        self._returned_s = time.monotonic()
        self.drained = self._returned_s > self._behind_until_s
        return data

    def send(self, data: bytes) -> None:
        """Write a few bytes: a question to the device. Raises DeviceLost."""
        if self._serial is None:
            raise DeviceLost(self._stream, "written to before open")
        try:
            self._serial.write(data)
        except (OSError, TypeError, ValueError) as error:
            raise DeviceLost(self._stream, f"{self._path} is gone: {error}") from error

    def close(self) -> None:
        """Release it; may be called twice."""
        port, self._serial = self._serial, None
        if port is not None:
            with contextlib.suppress(OSError):  # it was pulled out
                port.close()

    def _read_empty(self, port: serial.Serial) -> bytes:
        data = chunk = bytes(port.read(CHUNK))
        while chunk and len(data) < MOST_BYTES:
            if len(chunk) >= FULL:
                self._behind_until_s = time.monotonic() + CATCH_UP_S
            chunk = bytes(port.read(CHUNK))
            data += chunk
        return data

    def _why_closed(self, error: OSError) -> DeviceUnavailable:
        path = self._path
        if not Path(path).exists():
            what = f"{path} is absent; `bindstream devices` lists what is there"
            return DeviceUnavailable(self._stream, what)
        if error.errno in (errno.EAGAIN, errno.EBUSY):
            return DeviceBusy(self._stream, f"{path} is busy: another program has it open")
        if error.errno in (errno.EACCES, errno.EPERM):
            what = f"no permission for {path}: add this user to the group dialout"
            return DeviceUnavailable(self._stream, what)
        return DeviceUnavailable(self._stream, f"{path} cannot be opened: {error}")
