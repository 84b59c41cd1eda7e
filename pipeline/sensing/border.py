"""What a driver hands over, made ours: a sample of its modality's form, or a refusal that says why.

Drivers are anybody's. Their numbers are NumPy's, or floats where whole ones were meant; their
arrays have other widths, strides and byte orders. All of that is converted here, once. What cannot
be converted without a guess is refused, and so is what no device measures or no clock says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bindstream.errors import DeviceError, InvalidInput
from bindstream.feed import formed
from bindstream.imu import reading_doubt
from bindstream.stamp import plain_number, whole_ns
from bindstream.types import Modality, Sample

AHEAD_NS = 1_000_000_000
"""A stamp this far after its own arrival is no time of capture, whatever the clocks' jitter."""
MOST_WORDS = 500
"""Characters of a reason."""
BEHIND_NS = 60_000_000_000
"""No live sensor is a minute late: such a stamp is in another unit, or of another clock."""
FOREIGN_NS = 3_000_000_000
"""An arrival that the robot's clock puts so far outside the read that gave it is of another one."""


def samples_of(read: Any) -> list[Sample]:
    """What ``Driver.read`` returned, as a list. Raises TypeError for anything but Samples."""
    if read is None:
        return []
    if isinstance(read, Sample):
        return [read]
    if not isinstance(read, Iterable):
        raise TypeError(f"read gave {type(read).__name__}, wanted a list of Sample")
    samples = list(read)
    for sample in samples:
        if not isinstance(sample, Sample):
            raise TypeError(f"read gave a list with {type(sample).__name__}, wanted Sample")
    return samples


def admitted(sample: Sample, modality: Modality, came: tuple[int, int] | None = None) -> Sample:
    """The same sample with whole times and data as ``bindstream.Sample`` has it for the modality.

    ``came``: since when and until when, by the robot's clock, it can have arrived; None where that
    is not known, as of the past. Raises InvalidInput, saying what was wanted and what came.
    """
    arrival_ns = whole_ns("arrival_ns", sample.arrival_ns)
    t_ns = whole_ns("t_ns", sample.t_ns)
    _check_time(t_ns, arrival_ns)
    if came is not None:
        _check_clock(arrival_ns, *came)
    data = formed(modality, sample.data)
    if modality is Modality.IMU and (doubt := reading_doubt(data.tolist())):
        raise InvalidInput(f"imu: {doubt}")
    return Sample(sample.stream, t_ns, data, arrival_ns, sample.meta)


def counted(counters: Any) -> dict[str, int]:
    """A driver's counters as plain whole numbers by name; what is no number is left out.

    Raises TypeError for anything but a map.
    """
    found = {plain(str(name)): _count(value) for name, value in dict(counters).items()}
    return {name: count for name, count in found.items() if count is not None}


def rate_of(driver: Any) -> float:
    """A driver's ``rate_hz`` as a plain float; 0, as where there is none, for what is no rate."""
    try:
        rate_hz = plain_number(getattr(driver, "rate_hz", 0.0))
    except Exception:  # a property that fails before the device is open
        return 0.0
    return rate_hz if rate_hz is not None and rate_hz > 0 else 0.0


def is_recorded(driver: Any) -> bool:
    """Whether a driver plays the past."""
    return bool(getattr(driver, "recorded", False))


def why_of(driver: Any) -> str:
    """A driver's ``why`` in words, short, whatever it is; "" where there is none."""
    return _words_of(driver, "why")


def stalled_of(driver: Any) -> str:
    """As ``why_of``: since when the device has repeated itself; "" where it does not."""
    return _words_of(driver, "stalled")


def _words_of(driver: Any, name: str) -> str:
    try:
        return plain(str(getattr(driver, name, "") or ""))[:MOST_WORDS]
    except Exception as error:  # a property, or words, that fail themselves
        return f"the driver cannot say what is wrong: {type(error).__name__}"


def in_words(error: Exception) -> str:
    """An error in words that fit any message: short, and text that can be encoded."""
    try:
        said = str(error)
    except Exception:  # a driver's own error may fail even at that
        said = "it cannot say what"
    if not isinstance(error, DeviceError | InvalidInput):
        said = f"{type(error).__name__}: {said}"
    return plain(said)[:MOST_WORDS]


def plain(words: str) -> str:
    """The same words, as UTF-8 can have them: a file's name may hold bytes that are no text."""
    return words.encode("utf-8", "replace").decode()


def _check_time(t_ns: int, arrival_ns: int) -> None:
    if t_ns - arrival_ns > AHEAD_NS:
        off_s = (t_ns - arrival_ns) / 1e9
        raise InvalidInput(f"t_ns: {off_s:.3g} s after its arrival: is it of another clock?")
    if arrival_ns - t_ns > BEHIND_NS:
        off_s = (arrival_ns - t_ns) / 1e9
        raise InvalidInput(f"t_ns: {off_s:.3g} s before its arrival: wanted Unix nanoseconds")


def _check_clock(arrival_ns: int, since_ns: int, until_ns: int) -> None:
    """Both stamps of another clock agree with each other: the robot's own tells."""
    off_ns = max(arrival_ns - until_ns, since_ns - arrival_ns)
    if off_ns > FOREIGN_NS:
        side = "after" if arrival_ns > until_ns else "before"
        raise InvalidInput(
            f"arrival_ns: {off_ns / 1e9:.3g} s {side} the robot's time of the read that gave it: "
            "is it of another clock? Stamp by the now_ns() that open is given"
        )


def _count(value: Any) -> int | None:
    number = plain_number(value)
    return None if number is None or abs(number) >= 2**63 else int(number)
