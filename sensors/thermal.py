"""Radiometric thermal cameras: 16-bit counts that mean a temperature -> float32 kelvin."""

from __future__ import annotations

from collections.abc import Sequence

from bindstream import thermal
from bindstream.doubt import Doubt
from bindstream.errors import ConfigError, InvalidInput, WrongFormat
from bindstream.types import Array, Modality, Sample
from sensors import options
from sensors.driver import Clock
from sensors.video.ask import ask
from sensors.video.raw16 import Raw16

P2PRO_SCALE = 1.0 / 64.0


class ThermalCamera:
    """Frames of one thermal camera as (H, W) float32 kelvin.

    ``source``: as for the depth camera. Counts become ``count * kelvin_scale + kelvin_offset``:
    the defaults are FLIR's TLinear (0.01 K, Lepton and Boson); float pictures hold kelvin, unless
    either is set. ``layout`` "p2pro": InfiRay P2 Pro and TOPDON TC001, whose scale (1/64 K) is
    then the default. ``rows``: how many lines, from the top, are picture, or [first, end): the
    rest is telemetry. A frame that is no scene (150 to 1500 K on average) or holds telemetry is
    refused at opening and passed over later.

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
        rows: int | Sequence[int] | None = None,
        rate_hz: float | None = None,
        width: int | None = None,
        height: int | None = None,
        loop: bool = False,
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 2.0,
        delay_ms: float = 0.0,
    ) -> None:
        options.one_of(stream, "layout", layout, ("y16", "p2pro"))
        if kelvin_scale is None and layout == "p2pro":
            kelvin_scale = P2PRO_SCALE
        self._stream = stream
        self._scale = None
        if kelvin_scale is not None:
            self._scale = options.number(stream, "kelvin_scale", kelvin_scale, 1e-5, 10.0)
        self._offset = options.number(stream, "kelvin_offset", kelvin_offset, -1000.0, 1000.0)
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self._rows = picture_rows(stream, rows)
        self._out_of_range = 0
        self.why = ""
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
        doubt = thermal.telemetry(frame.shape, self._rows) or self._doubt(frame)
        if doubt is not None:
            self.close()
            raise WrongFormat(self._stream, f"{doubt}{self._advice(frame, doubt)}")

    def read(self, timeout_s: float) -> list[Sample]:
        """One frame, the newest; [] for one that is no temperature, which is counted."""
        frame = self._raw.next(timeout_s)
        if frame is None:
            return []
        if doubt := self._doubt(frame.pixels):
            self._out_of_range += 1
            self.why = f"frames are passed over: {doubt}"
            return []
        self.why = ""
        data = self._kelvin(frame.pixels)
        return [Sample(self._stream, frame.t_ns - self._delay_ns, data, frame.arrival_ns)]

    def close(self) -> None:
        """See sensors.driver.Driver."""
        self._raw.close()

    def _kelvin(self, frame: Array) -> Array:
        return thermal.kelvin(thermal.cropped(frame, self._rows), self._scale, self._offset)

    def _doubt(self, frame: Array) -> Doubt | None:
        try:
            return thermal.doubt(self._kelvin(frame), counted=frame.dtype.kind != "f")
        except InvalidInput as error:  # fewer lines than ``rows`` asks for
            return Doubt(f"option {error}")

    def _advice(self, frame: Array, doubt: Doubt) -> str:
        if doubt.unit == "Fahrenheit":
            return f"; set kelvin_scale to {doubt.scale:.6g} and kelvin_offset to {doubt.offset:g}"
        if doubt.unit == "Celsius":
            return f"; set kelvin_offset to {self._offset + doubt.offset:g}"
        if "rows" in f"{doubt.what} {doubt.likely}":
            return ""
        scale = thermal.applied(frame, self._scale)
        advice = f"kelvin_scale to {scale * doubt.scale:g}" if doubt.scale else "them"
        return (
            f" (kelvin_scale is {scale:g}, kelvin_offset {self._offset:g}): set {advice} as the"
            " camera's manual says, and switch its radiometric (TLinear) output on"
        )


def picture_rows(stream: str, rows: int | Sequence[int] | None) -> thermal.Rows | None:
    """The option ``rows``: a count from the top, or [first, end). Raises ConfigError."""
    if rows is None:
        return None
    pair = rows if isinstance(rows, list | tuple) else [0, rows]
    try:
        first, end = (options.whole(stream, "rows", row, 0, 1 << 16) for row in pair)
    except (ConfigError, ValueError):
        first = end = 0
    if first >= end:
        raise options.refused(stream, "rows", rows, "a count of lines, or [first, end]")
    return first, end
