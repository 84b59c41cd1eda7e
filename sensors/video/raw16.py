"""Frames of 16-bit counts (or float32), as depth and thermal cameras give them.

OpenCV turns 16-bit video into 8-bit colour without a word unless CAP_PROP_CONVERT_RGB is 0: so an
8-bit frame is refused here, always.
"""

from __future__ import annotations

from bindstream.errors import InvalidInput, WrongFormat
from bindstream.grid import measures
from bindstream.types import Array
from sensors.driver import Clock
from sensors.video.ask import Ask, Frame, Video
from sensors.video.source import video

P2PRO_SHAPE = (384, 256)


class Raw16:
    """A video source whose frames are (H, W) counts or float32.

    ``layout`` "y16": as they come. "p2pro": InfiRay P2 Pro and TOPDON TC001 (YUYV, 256x384),
    whose lower half holds the temperatures as uint16, little-endian.
    """

    def __init__(self, asked: Ask, layout: str = "y16") -> None:
        self._stream = asked.stream
        self._layout = layout
        self._video: Video = video(asked)

    @property
    def rate_hz(self) -> float:
        """Frames per second; 30 until it is known."""
        return self._video.rate_hz or 30.0

    @property
    def skipped(self) -> int:
        """Frames passed over because a newer one waited."""
        return self._video.skipped

    @property
    def bad(self) -> int:
        """Frames that were no picture."""
        return self._video.bad

    @property
    def stale(self) -> int:
        """Frames that were equal to the one before."""
        return self._video.still.stale

    @property
    def stalled(self) -> str:
        """In words, when a live source is frozen; "" when it is not."""
        return self._video.still.why(self.rate_hz)

    def open(self, now_ns: Clock) -> Array:
        """Open and return the first frame, decoded. Raises DeviceUnavailable, WrongFormat."""
        pixels = self._video.open(now_ns)
        try:
            return self._decode(pixels)
        except BaseException:
            self._video.close()
            raise

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame, decoded. Raises DeviceLost, WrongFormat."""
        frame = self._video.next(timeout_s)
        if frame is not None:
            frame.pixels = self._decode(frame.pixels)
        return frame

    def close(self) -> None:
        """Release the source."""
        self._video.close()

    def _decode(self, pixels: Array) -> Array:
        if self._layout == "p2pro":
            return p2pro(self._stream, pixels)
        return y16(self._stream, pixels)


def y16(stream: str, pixels: Array) -> Array:
    """(H, W) counts or floats, see `bindstream.grid`. Raises WrongFormat for 8-bit and colour."""
    try:
        return measures(pixels)
    except InvalidInput as error:
        bits = pixels.dtype.itemsize * 8
        raise WrongFormat(
            stream,
            f"wanted 16-bit (or float32) one-channel frames, got {bits}-bit {pixels.dtype} of shape"
            f" {pixels.shape}: use a Y16/Z16 device, FFV1 gray16 video, or 16-bit PNG or TIFF",
        ) from error


def p2pro(stream: str, pixels: Array) -> Array:
    """A P2 Pro frame, (384, 256, 2) uint8 or (384, 256) uint16 -> its (192, 256) uint16 counts.

    Raises WrongFormat for another shape.
    """
    if pixels.dtype.name == "uint8" and pixels.size == 2 * P2PRO_SHAPE[0] * P2PRO_SHAPE[1]:
        pixels = pixels.reshape(-1).view("<u2").reshape(P2PRO_SHAPE)
    if pixels.shape != P2PRO_SHAPE or pixels.dtype.name != "uint16":
        raise WrongFormat(
            stream,
            f"layout p2pro wants raw YUYV frames of 256x384, got {pixels.dtype} {pixels.shape}",
        )
    return pixels[P2PRO_SHAPE[0] // 2 :]
