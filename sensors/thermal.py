"""Radiometric thermal cameras: 16-bit counts that mean a temperature -> float32 kelvin."""

from __future__ import annotations

import numpy as np

from bindstream.errors import WrongFormat
from bindstream.types import Array, Modality, Sample
from sensors import options
from sensors.driver import Clock
from sensors.raw16 import Raw16
from sensors.video_ask import ask

COLDEST_K, HOTTEST_K = 150.0, 1500.0
"""What the mean of a scene may be; else the counts are no temperature, or the scale is wrong."""
P2PRO_SCALE = 1.0 / 64.0


class ThermalCamera:
    """Frames of one thermal camera as (H, W) float32 kelvin.

    ``source``: as for the depth camera; float32 pictures hold kelvin already. Counts become
    ``count * kelvin_scale + kelvin_offset``: the defaults are FLIR's TLinear (0.01 K, Lepton and
    Boson). ``layout`` "p2pro": InfiRay P2 Pro and TOPDON TC001, whose scale (1/64 K) is then the
    default. A frame outside 150 to 1500 K on average is refused at opening and passed over later.

    Raises ConfigError for an option that cannot be.
    """

    modality = Modality.THERMAL

    def __init__(
        self,
        stream: str,
        *,
        source: int | str,
        kelvin_scale: float | None = None,
        kelvin_offset: float = 0.0,
        layout: str = "y16",
        rate_hz: float | None = None,
        width: int | None = None,
        height: int | None = None,
        loop: bool = False,
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 2.0,
        delay_ms: float = 0.0,
    ) -> None:
        options.one_of(stream, "layout", layout, ("y16", "p2pro"))
        if kelvin_scale is None:
            kelvin_scale = P2PRO_SCALE if layout == "p2pro" else 0.01
        self._stream = stream
        self._scale = options.number(stream, "kelvin_scale", kelvin_scale, 1e-5, 10.0)
        self._offset = options.number(stream, "kelvin_offset", kelvin_offset, -1000.0, 1000.0)
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self._out_of_range = 0
        asked = ask(
            stream,
            source,
            rate_hz=rate_hz,
            width=width,
            height=height,
            loop=loop,
            open_timeout_s=open_timeout_s,
            read_timeout_s=read_timeout_s,
            fourcc=("YUYV",) if layout == "p2pro" else ("Y16 ",),
            raw=True,
        )
        self.latency_ms = asked.latency_ms
        self._raw = Raw16(asked, layout)

    @property
    def rate_hz(self) -> float:
        """Frames per second: as asked, or as the source says or is seen to give; 30 until then."""
        return self._raw.rate_hz

    @property
    def counters(self) -> dict[str, int]:
        """``skipped``: a newer frame waited; ``bad``: no pictures; ``out_of_range``: frames that
        are no temperature."""
        counts = {"skipped": self._raw.skipped, "bad": self._raw.bad}
        return counts | {"out_of_range": self._out_of_range}

    def open(self, now_ns: Clock) -> None:
        """See sensors.driver.Driver; also refuses counts that are no temperature of a scene."""
        frame = self._raw.open(now_ns)
        if not plausible(self._kelvin(frame)):
            mean_k = float(self._kelvin(frame).mean())
            self.close()
            raise WrongFormat(
                self._stream,
                f"the scene would be {mean_k:.0f} K with kelvin_scale {self._scale:g} and "
                f"kelvin_offset {self._offset:g}: set them as the camera's manual says, and switch "
                "its radiometric (TLinear) output on",
            )

    def read(self, timeout_s: float) -> list[Sample]:
        """One frame, the newest; [] for one that is no temperature, which is counted."""
        frame = self._raw.next(timeout_s)
        if frame is None:
            return []
        data = self._kelvin(frame.pixels)
        if not plausible(data):
            self._out_of_range += 1
            return []
        return [Sample(self._stream, frame.t_ns - self._delay_ns, data, frame.arrival_ns)]

    def close(self) -> None:
        """See sensors.driver.Driver."""
        self._raw.close()

    def _kelvin(self, frame: Array) -> Array:
        return kelvin(frame, self._scale, self._offset)


def kelvin(frame: Array, scale: float, offset: float) -> Array:
    """(H, W) uint16 counts -> float32 kelvin; float32 frames are kelvin already."""
    if frame.dtype.kind != "u":
        return frame
    return frame.astype(np.float32) * np.float32(scale) + np.float32(offset)


def plausible(frame_k: Array) -> bool:
    """Whether a frame's mean is a temperature of some scene; False where it is not finite."""
    return bool(COLDEST_K <= float(frame_k.mean(dtype=np.float64)) <= HOTTEST_K)
