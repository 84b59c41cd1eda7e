"""Intel RealSense depth cameras through librealsense: D400 series, and files that it recorded.

Under Linux the same cameras are plain video devices of format Z16 (driver depth), without this
library. With it they tell their own unit, focal length, baseline, frame numbers and clock.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bindstream import depth
from bindstream.errors import DeviceLost, DeviceUnavailable, StreamEnded, WrongFormat
from bindstream.types import Array, DepthMeta, Modality, Sample
from sensors import options
from sensors.device_clock import DeviceClock
from sensors.driver import Clock
from sensors.realsense_stream import DepthStream, Wanted, opened
from sensors.stillness import Stillness

FIRST_FRAME_S = 5.0
SILENCE_S, SILENT_PERIODS = 1.0, 5.0
RATE_TOLERANCE = 0.2


class RealSense:
    """Frames of one camera as (H, W) float32 metres, 0 where nothing was measured.

    ``serial``: which camera, the first by default. ``file``: a recording of librealsense (.db3)
    instead, played at its own speed; ``loop`` plays it again. ``width``, ``height``, ``rate_hz``: a
    profile that the camera has; None: its default. ``baseline_m``: for a camera that does not tell
    it. ``delay_ms``: known delay, taken off the time stamps, which follow the camera's own clock.

    Raises ConfigError for an option that cannot be.
    """

    modality = Modality.DEPTH
    latency_ms = 100.0

    def __init__(
        self,
        stream: str,
        *,
        serial: str | None = None,
        file: str | None = None,
        width: int | None = None,
        height: int | None = None,
        rate_hz: float | None = None,
        baseline_m: float | None = None,
        loop: bool = False,
        delay_ms: float = 0.0,
    ) -> None:
        self._stream = stream
        self._wanted = _checked(stream, serial, file, (width, height), rate_hz)
        self._baseline_m = baseline_m
        if baseline_m is not None:
            self._baseline_m = options.number(stream, "baseline_m", baseline_m, 1e-4, 10.0)
        self._loop = options.flag(stream, "loop", loop)
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self.rate_hz = self._wanted.rate_hz or 30.0
        self._still = Stillness()
        self._counts = {"skipped": 0, "repeated": 0, "bad": 0}
        self._camera: DepthStream | None = None
        self._ended = False
        self._now_ns: Clock = time.time_ns

    @property
    def counters(self) -> dict[str, int]:
        """By the camera's frame numbers ``skipped``: frames that a newer one overtook or the USB
        lost, ``repeated``: that came twice; ``bad``: without a unit; ``stale``: equal to the one
        before."""
        return self._counts | {"stale": self._still.stale}

    @property
    def stalled(self) -> str:
        """In words, when the camera repeats its last frame; "" when it does not."""
        return self._still.why(self.rate_hz)

    def open(self, now_ns: Clock) -> None:
        """See sensors.driver.Driver; also refuses frames that lie beyond any scene."""
        self.close()
        if self._ended:  # opening again must not mean playing again
            raise StreamEnded(self._stream, f"{self._wanted.file} has ended")
        if (file := self._wanted.file) and not Path(file).is_file():
            raise DeviceUnavailable(self._stream, f"no file {file}")
        self._now_ns = now_ns
        camera = self._camera = opened(self._stream, self._wanted)
        try:
            self._prove(camera)
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> list[Sample]:
        """One frame, the newest. Raises DeviceLost after a second of silence."""
        if self._camera is None:
            raise DeviceLost(self._stream, "read before open")
        frame = self._camera.next(timeout_s)
        if frame is None:
            self._wait_on(self._camera)
            return []
        arrival_ns = self._now_ns()
        self._heard_s = time.monotonic()
        if not self._is_new(frame.get_frame_number()):
            return []
        metres = self._metres(frame)
        if metres is None:
            return []
        if not self._camera.plays:
            self._still.see(metres, arrival_ns)
        t_ns = self._clock.stamp([frame.get_timestamp()], arrival_ns)[0]
        return [Sample(self._stream, t_ns - self._delay_ns, metres, arrival_ns, self._meta)]

    def close(self) -> None:
        """See sensors.driver.Driver."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _prove(self, camera: DepthStream) -> None:
        """Take one frame, and from the camera what goes with all of them."""
        baseline_m = self._baseline_m or camera.baseline_m
        if baseline_m is None:
            raise WrongFormat(self._stream, "the camera does not tell its baseline: set baseline_m")
        self._meta = DepthMeta(fx_px=camera.fx_px, baseline_m=baseline_m)
        self.rate_hz = camera.rate_hz
        frame = camera.next(FIRST_FRAME_S)
        if frame is None:
            what = f"the RealSense opened but gave no frame within {FIRST_FRAME_S:g} s"
            raise DeviceUnavailable(self._stream, what)
        metres = self._metres(frame)
        if metres is None:
            raise WrongFormat(self._stream, "the camera does not say how long a count is")
        if doubt := depth.doubt(metres):
            raise WrongFormat(self._stream, f"{doubt} (a count is {frame.get_units():g} m)")
        self._clock = DeviceClock(self.rate_hz, "ms", RATE_TOLERANCE)
        self._number = frame.get_frame_number()
        self._still.forget()
        self._heard_s = time.monotonic()

    def _metres(self, frame: Any) -> Array | None:
        scale_m = float(frame.get_units())
        if not 1e-6 <= scale_m <= 10.0:
            self._counts["bad"] += 1
            return None
        return depth.metres(np.asanyarray(frame.get_data()), scale_m)

    def _is_new(self, number: int) -> bool:
        step, self._number = number - self._number, number
        self._counts["skipped"] += max(0, step - 1)
        self._counts["repeated"] += step == 0
        return bool(step)

    def _wait_on(self, camera: DepthStream) -> None:
        """No frame came: the recording has ended, or the camera is silent."""
        if camera.ended:
            if self._loop:
                self.open(self._now_ns)
                return
            self._ended = True
            raise StreamEnded(
                self._stream, f"{self._wanted.file} has ended; loop: true plays it again"
            )
        longest_s = max(SILENCE_S, SILENT_PERIODS / self.rate_hz)
        if time.monotonic() - self._heard_s > longest_s:
            raise DeviceLost(
                self._stream, f"the RealSense has given no frame for {longest_s:.1f} s"
            )


def _checked(stream: str, serial: Any, file: Any, size: tuple[Any, Any], rate_hz: Any) -> Wanted:
    """Raises ConfigError."""
    if serial is not None:
        serial = options.text(stream, "serial", serial)
    if file is not None:
        file = options.text(stream, "file", file)
    if serial is not None and file is not None:
        raise options.refused(stream, "serial", serial, "none, since file is given")
    width, height = (
        None if side is None else options.whole(stream, key, side, 8, 32768)
        for key, side in zip(("width", "height"), size, strict=True)
    )
    if rate_hz is not None:
        rate_hz = options.number(stream, "rate_hz", rate_hz, 1, 1000)
    return Wanted(serial, file, width, height, rate_hz)
