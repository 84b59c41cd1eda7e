"""What is asked of a source of frames, what it gives, and whether the two agree.

A frame is what OpenCV gives: (H, W, 3) uint8 BGR, or with ``raw`` the device's own 16-bit counts
(H, W) uint16, or (H, W) float32 from a TIFF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bindstream.errors import WrongFormat
from bindstream.types import Array
from sensors import options
from sensors.driver import Clock
from sensors.stillness import Stillness

MAX_PIXELS = 100_000_000
MIN_SIDE = 8
IMAGE_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm"})

_SECRET = re.compile(r"(?<=://)[^/@]*@")
_PRINTF = re.compile(r"%0?\d*d")


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked for. ``fourcc`` holds codes to try on a device, the first that holds wins.

    ``raw`` leaves the pixels as the device gives them. ``rate_hz``, ``width`` and ``height`` None:
    whatever comes.
    """

    stream: str
    source: int | str
    rate_hz: float | None = None
    width: int | None = None
    height: int | None = None
    loop: bool = False
    open_timeout_s: float = 5.0
    read_timeout_s: float = 2.0
    threads: int = 1
    fourcc: tuple[str, ...] = ()
    raw: bool = False

    @property
    def shown(self) -> str:
        """The source for people: without the password that a URL may hold."""
        return _SECRET.sub("***@", str(self.source))

    @property
    def is_device(self) -> bool:
        """A V4L2 index or a path /dev/video*."""
        return isinstance(self.source, int) or self.source.startswith("/dev/")

    @property
    def is_url(self) -> bool:
        """rtsp://, http://, tcp://, udp:// and the like."""
        return isinstance(self.source, str) and "://" in self.source

    @property
    def latency_ms(self) -> float:
        """How late a stamp may be: a network camera encodes, sends and is decoded (measured)."""
        return 250.0 if self.is_url else 100.0

    @property
    def is_images(self) -> bool:
        """A printf pattern, a glob, or one picture."""
        name = str(self.source)
        pattern = bool(_PRINTF.search(name)) or "*" in name
        return pattern or Path(name).suffix.lower() in IMAGE_SUFFIXES


def ask(stream: str, source: Any, **wanted: Any) -> Ask:
    """Check the options that all frame drivers share. Raises ConfigError."""
    if isinstance(source, str) and source.isdecimal():
        source = int(source)
    if isinstance(source, int | np.integer):
        source = options.whole(stream, "source", source, 0, 255)
    else:
        source = options.text(stream, "source", source)
    if wanted.get("rate_hz") is not None:
        wanted["rate_hz"] = options.number(stream, "rate_hz", wanted["rate_hz"], 0.01, 1000)
    for key in ("width", "height"):
        if wanted.get(key) is not None:
            wanted[key] = options.whole(stream, key, wanted[key], MIN_SIDE, 32768)
    for key in ("open_timeout_s", "read_timeout_s"):
        if key in wanted:
            wanted[key] = options.number(stream, key, wanted[key], 0.1, 60)
    wanted["threads"] = options.whole(stream, "threads", wanted.get("threads", 1), 0, 64)
    wanted["loop"] = options.flag(stream, "loop", wanted.get("loop", False))
    made = Ask(stream, source, **wanted)
    if made.is_images and not made.is_url and made.rate_hz is None:
        raise options.refused(stream, "rate_hz", None, "frames per second of the image sequence")
    return made


@dataclass(slots=True)
class Frame:
    """``pixels``, the time of their capture as far as it is known, and of their arrival."""

    pixels: Array
    t_ns: int
    arrival_ns: int


class Video(Protocol):
    """An opened source. ``rate_hz`` is None until it is known.

    ``skipped`` counts frames that were passed over, ``resized`` changes of the size. ``still``
    tells whether a live source is frozen.
    """

    rate_hz: float | None
    skipped: int
    resized: int
    still: Stillness

    @property
    def bad(self) -> int:
        """Frames that were no picture."""

    def open(self, now_ns: Clock) -> Array:
        """Open it and return the first frame, which ``next`` gives once more, if it is paced.

        Raises DeviceUnavailable or WrongFormat; all is released then.
        """

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame, None if there is none yet. Raises DeviceLost."""

    def close(self) -> None:
        """Release it; may be called twice."""


def check_sane(asked: Ask, frame: Array) -> None:
    """Refuse sizes that no camera has. Raises WrongFormat."""
    height, width = frame.shape[:2]
    if width * height > MAX_PIXELS or min(width, height) < MIN_SIDE:
        raise WrongFormat(asked.stream, f"{asked.shown} gives frames of {width}x{height} pixels")


def check_size(asked: Ask, frame: Array) -> None:
    """Refuse, at opening, absurd sizes and others than were asked for. Raises WrongFormat."""
    check_sane(asked, frame)
    height, width = frame.shape[:2]
    if (asked.width or width, asked.height or height) != (width, height):
        raise WrongFormat(
            asked.stream,
            f"wanted {asked.width or 'any'}x{asked.height or 'any'}, {asked.shown} gives "
            f"{width}x{height}; set width and height to a size it has",
        )


def check_rate(asked: Ask, got_hz: float, tolerance: float) -> None:
    """Refuse a rate off by more than ``tolerance`` (a fraction). Raises WrongFormat."""
    wanted_hz = asked.rate_hz
    if wanted_hz is not None and abs(got_hz - wanted_hz) > tolerance * wanted_hz:
        hint = ", or try fourcc: MJPG" if asked.is_device and not asked.raw else ""
        raise WrongFormat(
            asked.stream,
            f"wanted rate_hz {wanted_hz:g}, {asked.shown} gives {got_hz:.4g}; "
            f"set rate_hz to what it gives, or leave it out{hint}",
        )


def end_of(asked: Ask) -> str:
    """What is said at the end of a file that is not to be repeated."""
    return f"{asked.shown} has ended; loop: true plays it again"
