"""One depth sensor of librealsense, opened: its profile chosen, its frames newest first."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import pyrealsense2 as rs

from bindstream.errors import DeviceBusy, DeviceUnavailable, WrongFormat
from sensors.audio.bounded import call_within

CLOSE_S = 0.8
BUSY = ("busy", "errno=16", "Access denied", "in use")
_MOST_SAID = 8


class Wanted(NamedTuple):
    """What was asked for; None: whatever the device gives by itself."""

    serial: str | None
    file: str | None
    width: int | None
    height: int | None
    rate_hz: float | None


class DepthStream:
    """Frames of one sensor. ``fx_px``, ``baseline_m`` (None where the device does not tell it) and
    ``rate_hz`` are the device's own."""

    def __init__(self, device: Any, sensor: Any, profile: Any) -> None:
        self._device = device  # the library ends the sensor with its device
        self._sensor = sensor
        self._playback = device.as_playback() if device.is_playback() else None
        self.rate_hz = float(profile.fps())
        self.fx_px = float(profile.as_video_stream_profile().get_intrinsics().fx)
        self.baseline_m = _baseline_m(sensor)
        self._queue = rs.frame_queue(1)  # a newer frame pushes out the one that waits
        sensor.open(profile)
        try:
            sensor.start(self._queue)
        except BaseException:
            sensor.close()
            raise

    @property
    def plays(self) -> bool:
        """Whether it is a recording."""
        return self._playback is not None

    @property
    def ended(self) -> bool:
        """Whether a recording has come to its end; asked where no frame comes any more."""
        playback = self._playback
        return playback is not None and playback.current_status() == rs.playback_status.stopped

    def next(self, timeout_s: float) -> Any:
        """The newest depth frame; None where none came in time."""
        came, frame = self._queue.try_wait_for_frame(max(1, round(timeout_s * 1e3)))
        return frame.as_depth_frame() if came else None

    def close(self) -> None:
        """Stop and release it; given up after 0.8 s, since USB may hang."""
        with contextlib.suppress(TimeoutError, RuntimeError):
            call_within(CLOSE_S, self._close)

    def _close(self) -> None:
        try:
            self._sensor.stop()
        finally:
            self._sensor.close()


def opened(stream: str, wanted: Wanted) -> DepthStream:
    """The device asked for, streaming. Raises DeviceUnavailable, DeviceBusy, WrongFormat."""
    try:
        device = _device(stream, wanted)
        sensor, profile = _chosen(stream, device, wanted)
        return DepthStream(device, sensor, profile)
    except RuntimeError as error:
        said = str(error)[:200]
        if any(word in said for word in BUSY):
            raise DeviceBusy(stream, f"the RealSense is busy: {said}") from error
        raise DeviceUnavailable(stream, f"the RealSense cannot be opened: {said}") from error


def devices() -> list[Any]:
    """All cameras that are plugged in."""
    return list(rs.context().query_devices())


def _device(stream: str, wanted: Wanted) -> Any:
    if wanted.file is not None:
        return rs.context().load_device(wanted.file)
    found = {_serial(device): device for device in devices()}
    if not found:
        raise DeviceUnavailable(stream, "no RealSense is plugged in")
    if wanted.serial is None:
        return next(iter(found.values()))
    if wanted.serial not in found:
        what = f"no RealSense {wanted.serial} is plugged in; there are {', '.join(found)}"
        raise DeviceUnavailable(stream, what)
    return found[wanted.serial]


def _serial(device: Any) -> str:
    number = rs.camera_info.serial_number
    return str(device.get_info(number)) if device.supports(number) else ""


def _chosen(stream: str, device: Any, wanted: Wanted) -> tuple[Any, Any]:
    """The sensor that gives depth, and the profile asked for, or its default one."""
    pairs = [(sensor, p) for sensor in device.query_sensors() for p in _depth_profiles(sensor)]
    if not pairs:
        raise WrongFormat(stream, "the RealSense gives no depth (format Z16)")
    fitting = [(sensor, profile) for sensor, profile in pairs if _fits(profile, wanted)]
    if not fitting:
        has = list(dict.fromkeys(_named(profile) for _, profile in pairs))
        more = ", ..." * (len(has) > _MOST_SAID)
        raise WrongFormat(
            stream,
            f"wanted {wanted.width or 'any'}x{wanted.height or 'any'} at {wanted.rate_hz or 'any'} "
            f"Hz, the RealSense has {', '.join(has[:_MOST_SAID])}{more}",
        )
    return next((pair for pair in fitting if pair[1].is_default()), fitting[0])


def _depth_profiles(sensor: Any) -> list[Any]:
    return [
        profile
        for profile in sensor.get_stream_profiles()
        if profile.stream_type() == rs.stream.depth and profile.format() == rs.format.z16
    ]


def _fits(profile: Any, wanted: Wanted) -> bool:
    size = profile.as_video_stream_profile()
    asked = (wanted.width, wanted.height, wanted.rate_hz)
    has = (size.width(), size.height(), profile.fps())
    return all(a is None or a == h for a, h in zip(asked, has, strict=True))


def _named(profile: Any) -> str:
    size = profile.as_video_stream_profile()
    return f"{size.width()}x{size.height()} at {profile.fps()}"


def _baseline_m(sensor: Any) -> float | None:
    """Of a stereo camera, which tells it in millimetres."""
    option = rs.option.stereo_baseline
    return float(sensor.get_option(option)) / 1e3 if sensor.supports(option) else None
