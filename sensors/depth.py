"""Depth cameras: 16-bit frames in the device's unit, or floats -> float32 metres."""

from __future__ import annotations

from bindstream import depth
from bindstream.errors import WrongFormat
from bindstream.types import Array, DepthMeta, Modality, Sample
from sensors import options
from sensors.driver import Clock
from sensors.video.ask import ask
from sensors.video.raw16 import Raw16


class DepthCamera:
    """Frames of one depth camera as (H, W) float32 metres, 0 where nothing was measured.

    ``source``: as for the camera, but with 16 bits: a V4L2 device of format Z16 or Y16, FFV1 gray16
    video, 16-bit PNG or TIFF pictures, or float32 TIFF. ``scale_m``: metres per count, 0.001 by
    default (RealSense, OAK-D, Kinect); float pictures hold metres, unless it is set. ``invalid``:
    the count that means a hole, None for none. ``fx_px`` and ``baseline_m``: focal length in pixels
    and stereo baseline, by which depth becomes disparity. The rest as for the camera.

    Raises ConfigError for an option that cannot be.
    """

    modality = Modality.DEPTH

    def __init__(
        self,
        stream: str,
        *,
        source: int | str,
        fx_px: float,
        baseline_m: float,
        scale_m: float | None = None,
        invalid: int | None = depth.INVALID,
        rate_hz: float | None = None,
        width: int | None = None,
        height: int | None = None,
        loop: bool = False,
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 2.0,
        delay_ms: float = 0.0,
    ) -> None:
        self._stream = stream
        self._scale_m = None
        if scale_m is not None:
            self._scale_m = options.number(stream, "scale_m", scale_m, 1e-6, 10.0)
        self._invalid = None
        if invalid is not None:
            self._invalid = options.whole(stream, "invalid", invalid, 0, 1 << 32)
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self._meta = DepthMeta(
            fx_px=options.number(stream, "fx_px", fx_px, 1.0, 100_000.0),
            baseline_m=options.number(stream, "baseline_m", baseline_m, 1e-4, 10.0),
        )
        asked = ask(
            stream,
            source,
            rate_hz=rate_hz,
            width=width,
            height=height,
            loop=loop,
            open_timeout_s=open_timeout_s,
            read_timeout_s=read_timeout_s,
            fourcc=("Z16 ", "Y16 "),
            raw=True,
        )
        self.latency_ms = asked.latency_ms
        self._raw = Raw16(asked)

    @property
    def rate_hz(self) -> float:
        """Frames per second: as asked, or as the source says or is seen to give; 30 until then."""
        return self._raw.rate_hz

    @property
    def counters(self) -> dict[str, int]:
        """``skipped``: frames passed over because a newer one waited; ``bad``: no pictures;
        ``stale``: frames equal to the one before."""
        return {"skipped": self._raw.skipped, "bad": self._raw.bad, "stale": self._raw.stale}

    @property
    def stalled(self) -> str:
        """In words, when the source repeats its last frame; "" when it does not."""
        return self._raw.stalled

    def open(self, now_ns: Clock) -> None:
        """See sensors.driver.Driver; also refuses frames that lie beyond any scene."""
        frame = self._raw.open(now_ns)
        doubt = depth.doubt(self._metres(frame))
        if doubt is None:
            return
        self.close()
        scale_m = depth.applied(frame, self._scale_m)
        advice = f"; set it to {scale_m * doubt.scale:g}" if doubt.scale else ""
        raise WrongFormat(
            self._stream,
            f"{doubt} (scale_m, the length of one count in metres, is {scale_m:g}{advice})",
        )

    def read(self, timeout_s: float) -> list[Sample]:
        """One frame, the newest."""
        frame = self._raw.next(timeout_s)
        if frame is None:
            return []
        data = self._metres(frame.pixels)
        t_ns = frame.t_ns - self._delay_ns
        return [Sample(self._stream, t_ns, data, frame.arrival_ns, self._meta)]

    def close(self) -> None:
        """See sensors.driver.Driver."""
        self._raw.close()

    def _metres(self, frame: Array) -> Array:
        return depth.metres(frame, self._scale_m, self._invalid)
