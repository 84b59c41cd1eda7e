"""What can go wrong, as one tree.

::

    BindstreamError
    ├── ConfigError          the configuration cannot run as written
    ├── MissingExtra         a library of an optional extra is not installed
    ├── DeviceError          something about one sensor
    │   ├── DeviceUnavailable    absent or busy: worth trying again
    │   │   └── DeviceBusy           somebody else has it: often just being released
    │   ├── DeviceLost           failed while running: close and open again
    │   ├── StreamEnded          nothing will ever follow: do not open it again
    │   └── WrongFormat          it works, but gives what we cannot use
    ├── InvalidInput         one sample, window or text that cannot be encoded
    ├── WeightsError         a weights file that cannot be used
    ├── WireError            bytes that are not a message of ours
    │   └── UnknownKind          a kind of message that this reader is too old for
    └── PortBusy             an address that somebody else holds

Every message says which stream or file, what was wanted, what came and what to do.
"""

from __future__ import annotations

from bindstream.extras import install_command


class BindstreamError(Exception):
    """Base of every error that bindstream raises on purpose."""


class ConfigError(BindstreamError):
    """The configuration cannot run as written; nothing was started."""


class MissingExtra(BindstreamError):
    """A library of an optional extra is not installed."""

    def __init__(self, library: str, extra: str, need: str) -> None:
        super().__init__(f"{need} needs {library}: {install_command(extra)}")
        self.extra = extra


class DeviceError(BindstreamError):
    """Something about one sensor; other streams go on."""

    def __init__(self, stream: str, what: str) -> None:
        super().__init__(f"stream '{stream}': {what}")
        self.stream = stream


class DeviceUnavailable(DeviceError):
    """Absent or busy at opening: worth trying again."""


class DeviceBusy(DeviceUnavailable):
    """Another program has it open. It is often just being released: reported after a while."""


class DeviceLost(DeviceError):
    """Failed while running: close it and open it again."""


class StreamEnded(DeviceError):
    """Nothing will ever follow, as at the end of a recording: it is not opened again."""


class WrongFormat(DeviceError):
    """The device works but gives what cannot be used (8-bit depth, wrong rate)."""


class InvalidInput(BindstreamError):
    """One sample, window or text that cannot be encoded; its neighbours are unharmed."""


class WeightsError(BindstreamError):
    """A weights file that cannot be used: unreadable, wrong hash, wrong keys.

    One line, whatever the names are that somebody's damaged file is quoted with.
    """

    def __init__(self, what: str) -> None:
        super().__init__("".join(c if c.isprintable() else "?" for c in what))


class WireError(BindstreamError):
    """Bytes that are not a message of this protocol."""


class UnknownKind(WireError):
    """A well-formed message of a kind that this reader does not know: a newer robot's."""


class PortBusy(BindstreamError):
    """An address that another process already holds."""
