"""Colour cameras: V4L2 devices, RTSP/HTTP/tcp/udp streams, video files, image sequences."""

from __future__ import annotations

from bindstream.errors import WrongFormat
from bindstream.types import Array, Modality, Sample
from sensors import options
from sensors.driver import Clock
from sensors.video.ask import ask
from sensors.video.opencv import cv2
from sensors.video.source import video


class Camera:
    """Frames of one camera as (H, W, 3) uint8 RGB, the newest always.

    ``source``: a device index or /dev/video*, a URL that FFMPEG reads, a video file, a printf
    pattern (``img_%04d.png``), a glob or one picture. ``rate_hz``: wanted frames per second
    (pictures need it); what comes is checked at opening. ``width`` and ``height``: likewise.
    ``loop`` repeats a file. ``fourcc``: pixel format of a device, such as MJPG. ``threads``:
    decoders of a network stream; more than one adds a frame of delay each. ``delay_ms``: known
    time from light to arrival, taken off the time stamps.

    Raises ConfigError for an option that cannot be.
    """

    modality = Modality.VISION

    def __init__(
        self,
        stream: str,
        *,
        source: int | str = 0,
        rate_hz: float | None = None,
        width: int | None = None,
        height: int | None = None,
        loop: bool = False,
        open_timeout_s: float = 5.0,
        read_timeout_s: float = 2.0,
        fourcc: str | None = None,
        threads: int = 1,
        delay_ms: float = 0.0,
    ) -> None:
        if fourcc is not None and len(options.text(stream, "fourcc", fourcc)) != 4:
            raise options.refused(stream, "fourcc", fourcc, "four letters, such as MJPG")
        self._stream = stream
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        asked = ask(
            stream,
            source,
            rate_hz=rate_hz,
            width=width,
            height=height,
            loop=loop,
            open_timeout_s=open_timeout_s,
            read_timeout_s=read_timeout_s,
            fourcc=(fourcc,) if fourcc else (),
            threads=threads,
        )
        self.latency_ms = asked.latency_ms
        self._video = video(asked)

    @property
    def rate_hz(self) -> float:
        """Frames per second: as asked, or as the source says or is seen to give; 30 until then."""
        return self._video.rate_hz or 30.0

    @property
    def counters(self) -> dict[str, int]:
        """``skipped``: frames passed over because a newer one waited; ``bad``: no pictures;
        ``resized``: times that the size changed; ``stale``: frames equal to the one before."""
        video = self._video
        counts = {"skipped": video.skipped, "bad": video.bad, "resized": video.resized}
        return counts | {"stale": video.still.stale}

    @property
    def stalled(self) -> str:
        """In words, when the source repeats its last frame; "" when it does not."""
        return self._video.still.why(self.rate_hz)

    def open(self, now_ns: Clock) -> None:
        """See sensors.driver.Driver."""
        pixels = self._video.open(now_ns)
        try:
            rgb(self._stream, pixels)
        except BaseException:
            self._video.close()
            raise

    def read(self, timeout_s: float) -> list[Sample]:
        """One frame, the newest; a stalled URL holds this for ``read_timeout_s``."""
        frame = self._video.next(timeout_s)
        if frame is None:
            return []
        data = rgb(self._stream, frame.pixels)
        return [Sample(self._stream, frame.t_ns - self._delay_ns, data, frame.arrival_ns)]

    def close(self) -> None:
        """See sensors.driver.Driver."""
        self._video.close()


def rgb(stream: str, pixels: Array) -> Array:
    """OpenCV's (H, W), (H, W, 3) BGR or (H, W, 4) BGRA uint8 -> (H, W, 3) RGB uint8.

    Raises WrongFormat for anything else.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if pixels.dtype.name != "uint8" or channels not in codes:
        raise WrongFormat(
            stream, f"wanted 8-bit colour frames, got {pixels.dtype} of shape {pixels.shape}"
        )
    converted: Array = cv2.cvtColor(pixels, codes[channels])
    return converted
