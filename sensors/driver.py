"""The contract of a driver: device bytes -> Sample.

A driver is three blocking methods. It starts no thread (a library's own callback may only
append to a bounded deque), knows no ray, torch, zmq or config, and states its options as
keyword arguments. One capture thread in ``pipeline.ingest`` always reads it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, cast

from bindstream.errors import ConfigError, MissingExtra
from bindstream.types import SENSED, Modality, Sample

Clock: TypeAlias = Callable[[], int]
"""Returns the robot host's time: int nanoseconds since the Unix epoch. To a recording it says up to
when its samples are due: a sample is given out once its ``t_ns`` is not after it. Where nobody
waits that is long after any sample."""

EXTRAS = {"pyrealsense2": "realsense"}
"""The optional extra of a driver's library, where it is not "sensors"."""


class Driver(Protocol):
    """What every sensor offers. Constructed as ``Driver(stream, **options)``, touching nothing.

    ``rate_hz`` is the rate of samples that health is judged by (frames, IMU readings; of sound
    that of its signal; 0: samples come now and then), known at the latest once it is open.
    ``latency_ms`` is how much later than the event ``t_ns`` may be, at most: `bindstream look`
    shows it. A driver may have ``counters``, a dict of name to int: they are shown in the stream's
    health; ``why``, in words, for as long as what comes cannot be used; ``stalled``, in words, for
    as long as the device repeats its last frame or reading, number for number; and ``warnings``,
    sentences that `check` says of a device that works, but hardly as it is meant.

    A driver that plays the past says ``recorded = True`` and has ``starts_ns``, known before it is
    open: when the recording begins, the same for all its streams. ``arrival_ns`` of its samples is
    the recorded one too, or ``t_ns``. It wants a robot whose ``time`` is ``streams``: then it is
    read no faster than its windows are encoded, and never closed for being silent.
    """

    modality: Modality
    rate_hz: float
    latency_ms: float

    def open(self, now_ns: Clock) -> None:
        """Open the device and prove it: rate and format read back, one sample taken.

        Either the device works afterwards, or all is released and one of DeviceUnavailable
        (absent), DeviceBusy (another program has it), WrongFormat or MissingExtra is raised;
        opening again is then possible. ``now_ns``: of it are the samples' ``t_ns`` and
        ``arrival_ns``; those of another clock are refused.
        """

    def read(self, timeout_s: float) -> list[Sample]:
        """Wait for data at most ``timeout_s``; return what came, oldest first, [] for nothing.

        The arrays are the caller's from then on: a buffer that is filled again must be copied.

        Raises DeviceLost when the device is gone: the caller closes and opens again. Raises
        StreamEnded where nothing will ever follow: the caller closes, and opens it no more.
        """

    def close(self) -> None:
        """Release the device. Never raises, may be called twice, returns within a second."""


def resolve(name: str, table: dict[str, str]) -> Any:
    """``"camera"`` or ``"my_package.lidar:Lidar"`` -> the class, imported only now.

    Raises ConfigError for an unknown name, MissingExtra when its library is not installed.
    """
    target = table.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        known = ", ".join(sorted(table))
        raise ConfigError(f"unknown driver '{name}'; known: {known}, or 'package.module:Class'")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise _explain(name, module, error, ours=name in table) from error
    except (Exception, SystemExit) as error:  # a module of somebody else's, perhaps a script
        said = f"{type(error).__name__}: {error!s:.200}"
        raise ConfigError(f"driver '{name}': module {module} cannot be imported: {said}") from error
    if found is None:
        raise ConfigError(f"driver '{name}': module {module} has no {attribute}")
    if not callable(found):
        raise ConfigError(f"driver '{name}': wanted a class, got {type(found).__name__}")
    return found


def contracted(driver: Any, name: str) -> Driver:
    """The same, if it has what a driver promises. Raises ConfigError, saying what it lacks."""
    lacks = [
        part for part in ("open", "read", "close") if not callable(getattr(driver, part, None))
    ]
    modality = getattr(driver, "modality", None)
    if not isinstance(modality, str) or modality not in SENSED:
        lacks.append(f"a modality ({', '.join(SENSED)})")
    if lacks:
        raise ConfigError(f"'{name}' is no driver: it lacks {', '.join(lacks)}")
    return cast("Driver", driver)


def _explain(name: str, module: str, error: ModuleNotFoundError, *, ours: bool) -> Exception:
    missing = error.name or ""
    if module == missing or module.startswith(missing + "."):
        return ConfigError(f"driver '{name}': no module named '{missing}'")
    if not ours:
        return ConfigError(f"driver '{name}' needs '{missing}', which is not installed")
    return MissingExtra(missing, EXTRAS.get(missing, "sensors"), f"driver '{name}'")
