"""Radiometric thermal cameras: 16-bit counts that mean a temperature -> float32 kelvin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bindstream import thermal
from bindstream.doubt import Doubt
from bindstream.errors import InvalidInput, WrongFormat
from bindstream.types import Array, Modality, Sample
from sensors import options
from sensors.device_clock import DeviceClock
from sensors.driver import Clock
from sensors.lepton import CORES, Telemetry
from sensors.thermal_counts import counts
from sensors.video.ask import Frame, ask
from sensors.video.raw16 import Raw16

RATE_TOLERANCE = 0.2


class ThermalCamera:
    """Frames of one thermal camera as (H, W) float32 kelvin.

    ``source``: as for the depth camera, and FLIR's radiometric JPEGs. Counts become ``count *
    kelvin_scale + kelvin_offset``: the defaults are FLIR's TLinear (0.01 K, Lepton and Boson);
    float pictures hold kelvin, unless either is set. ``planck``: FLIR's constants r1, b, f, o, r2
    of a camera whose counts are radiation, instead. ``layout`` "p2pro": InfiRay P2 Pro and TOPDON
    TC001, whose scale (1/64 K) is then the default; "lepton": Lepton and PureThermal, whose
    telemetry, where it is on, says the scale, the time and which frames are of the shutter.
    ``rows``: how many lines, from the top, are picture, or [first, end): the rest is telemetry. A
    frame that is no scene (150 to 1500 K on average) or holds telemetry is refused at opening and
    passed over later.

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
        planck: Mapping[str, float] | None = None,
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
        self._stream = stream
        self._counts = counts(
            stream,
            layout=layout,
            kelvin_scale=kelvin_scale,
            kelvin_offset=kelvin_offset,
            rows=rows,
            planck=planck,
        )
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self._passed = {"out_of_range": 0, "shutter": 0, "repeated": 0}
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
        self._clock: DeviceClock | None = None
        self._number: int | None = None

    @property
    def rate_hz(self) -> float:
        """Frames per second: as asked, or as the source says or is seen to give; 30 until then."""
        return self._raw.rate_hz

    @property
    def counters(self) -> dict[str, int]:
        """``skipped``: a newer frame waited; ``bad``: no pictures; ``out_of_range``: frames that
        are no temperature; ``shutter``: that a Lepton says are of its shutter; ``repeated``: that
        it says came before; ``stale``: equal to the one before."""
        counts = {"skipped": self._raw.skipped, "bad": self._raw.bad}
        return counts | self._passed | {"stale": self._raw.stale}

    @property
    def stalled(self) -> str:
        """In words, when the source repeats its last frame; "" when it does not."""
        return self._raw.stalled

    def open(self, now_ns: Clock) -> None:
        """See sensors.driver.Driver; also refuses counts that are no temperature of a scene."""
        frame = self._raw.open(now_ns)
        self._clock = self._number = None
        try:
            kelvin, told = self._counts.read(frame)
        except InvalidInput as error:
            self.close()
            raise WrongFormat(self._stream, str(error)) from error
        whole = told is not None or self._counts.rows is not None
        doubt = (None if whole else thermal.telemetry(frame.shape)) or _doubt(kelvin, frame)
        if doubt is not None and not (told and told.shuttered):
            self.close()
            raise WrongFormat(self._stream, f"{doubt}{self._advice(frame, doubt)}")

    def read(self, timeout_s: float) -> list[Sample]:
        """One frame, the newest; [] for one that is no temperature, which is counted."""
        frame = self._raw.next(timeout_s)
        if frame is None:
            return []
        try:
            kelvin, told = self._counts.read(frame.pixels)
            reason, why = self._passes(kelvin, frame, told)
        except InvalidInput as error:
            reason, why = "out_of_range", str(error)
        self.why = f"frames are passed over: {why}" if why else ""
        if reason:
            self._passed[reason] += 1
            return []
        t_ns = self._taken_ns(frame, told) - self._delay_ns
        return [Sample(self._stream, t_ns, kelvin, frame.arrival_ns)]

    def close(self) -> None:
        """See sensors.driver.Driver."""
        self._raw.close()

    def _passes(self, kelvin: Array, frame: Frame, told: Telemetry | None) -> tuple[str, str]:
        """Why a frame is passed over, as its counter and in words; "" twice where it is not."""
        if told is not None:
            before, self._number = self._number, told.frame
            if told.frame == before:
                return "repeated", ""
            if told.shuttered:
                return "shutter", ""
        doubt = _doubt(kelvin, frame.pixels)
        return ("out_of_range", str(doubt)) if doubt else ("", "")

    def _taken_ns(self, frame: Frame, told: Telemetry | None) -> int:
        """When it was taken: by the camera's own clock, fitted to arrival, where it tells it."""
        if told is None:
            return frame.t_ns
        if self._clock is None:
            self._clock = DeviceClock(self.rate_hz, "ms", RATE_TOLERANCE)
        return self._clock.stamp([told.uptime_ms], frame.t_ns)[0]

    def _advice(self, frame: Array, doubt: Doubt) -> str:
        offset = self._counts.offset
        if doubt.unit == "Fahrenheit":
            return f"; set kelvin_scale to {doubt.scale:.6g} and kelvin_offset to {doubt.offset:g}"
        if doubt.unit == "Celsius":
            return f"; set kelvin_offset to {offset + doubt.offset:g}"
        if "rows" in f"{doubt.what} {doubt.likely}":
            of_lepton = frame.shape[1] in CORES and self._counts.layout != "lepton"
            return "; of a Lepton layout: lepton reads them" if of_lepton else ""
        if self._counts.planck is not None:
            return " (by option planck): are these the constants of this camera?"
        scale = thermal.applied(frame, self._counts.scale)
        advice = f"kelvin_scale to {scale * doubt.scale:g}" if doubt.scale else "them"
        return (
            f" (kelvin_scale is {scale:g}, kelvin_offset {offset:g}): set {advice} as the"
            " camera's manual says, and switch its radiometric (TLinear) output on"
        )


def _doubt(kelvin: Array, frame: Array) -> Doubt | None:
    return thermal.doubt(kelvin, counted=frame.dtype.kind != "f")
