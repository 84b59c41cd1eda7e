"""What a window of each modality is made of: an encoder declares it, the pipeline obeys.

::

    vision          Frames   n pictures evenly over a length, cut and scaled as said
    audio           Sound    so many seconds at so many samples a second, PCM, mono
    depth, thermal  Map      the newest frame, native or scaled
    imu             Motion   so many seconds in so many even steps, or the readings as they came

Lengths are in seconds, sizes in pixels, rates in hertz. What the numbers in a window mean is fixed
(``bindstream.Window``): uint8 RGB, sound in [-1, 1], metres, kelvin, m/s2 and rad/s. No torch here:
formats are told before a model is loaded, and between processes as plain data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from bindstream.errors import InvalidInput
from bindstream.types import SENSED, Modality

Rule: TypeAlias = Literal["crop", "squash"]
"""crop: the short side is scaled to the size and the middle square kept. squash: both sides are
scaled to the size, whatever becomes of the proportions."""
Filter: TypeAlias = Literal["nearest", "bilinear", "bicubic"]
"""bilinear does not smooth before it shrinks, as video is usually prepared; bicubic does, as
Pillow prepares pictures; nearest keeps every value as it was measured."""
LONGEST_S = 600.0
MOST_FRAMES = 1000
MOST_PX = 8192
MOST_RATE_HZ = 384_000
MOST_STEPS = 1_000_000


class Frames(msgspec.Struct, frozen=True, kw_only=True, tag="frames"):
    """Vision: (frames, H, W, 3) uint8 RGB; H = W = ``size_px``, or the camera's own where None.

    Of several ``frames`` the first lies at the start of ``length_s``, the last at its end, the
    others evenly between. A single one is the newest of the last ``length_s`` (None: of the hop).
    """

    frames: int = 1
    length_s: float | None = None
    size_px: int | None = None
    rule: Rule = "crop"
    filter: Filter = "bilinear"

    def __post_init__(self) -> None:
        _check("frames", self.frames, 1, MOST_FRAMES, whole=True)
        if self.length_s is not None or self.frames > 1:
            _check("length_s", self.length_s, 0, LONGEST_S)
        if self.size_px is not None:
            _check("size_px", self.size_px, 1, MOST_PX, whole=True)
        _check_choice("rule", self.rule, get_args(Rule))
        _check_choice("filter", self.filter, get_args(Filter))

    @property
    def window_bytes(self) -> int | None:
        """Of one window; None where the camera decides."""
        return None if self.size_px is None else self.frames * self.size_px**2 * 3


class Sound(msgspec.Struct, frozen=True, kw_only=True, tag="sound"):
    """Audio: (``samples``,) float32 in [-1, 1], mono, at ``rate_hz``."""

    length_s: float
    rate_hz: int

    def __post_init__(self) -> None:
        _check("length_s", self.length_s, 0, LONGEST_S)
        _check("rate_hz", self.rate_hz, 1, MOST_RATE_HZ, whole=True)

    @property
    def samples(self) -> int:
        """In one window."""
        return round(self.length_s * 1e9) * self.rate_hz // 1_000_000_000

    @property
    def window_bytes(self) -> int:
        """Of one window."""
        return 4 * self.samples


class Map(msgspec.Struct, frozen=True, kw_only=True, tag="map"):
    """Depth and thermal: (H, W) float32 m or K, the newest frame of the last hop; H = W =
    ``size_px``, or the camera's own where None.

    Of depth any filter but nearest blurs edges and holes. The focal length that goes with a frame
    is scaled as its width is.
    """

    size_px: int | None = None
    rule: Rule = "crop"
    filter: Literal["nearest", "bilinear"] = "nearest"

    def __post_init__(self) -> None:
        if self.size_px is not None:
            _check("size_px", self.size_px, 1, MOST_PX, whole=True)
        _check_choice("rule", self.rule, get_args(Rule))
        _check_choice("filter", self.filter, ("nearest", "bilinear"))

    @property
    def length_s(self) -> None:
        """One frame has no length."""
        return None

    @property
    def window_bytes(self) -> int | None:
        """Of one window; None where the camera decides."""
        return None if self.size_px is None else 4 * self.size_px**2


class Motion(msgspec.Struct, frozen=True, kw_only=True, tag="motion"):
    """IMU: (6, ``steps``) float32, m/s2 then rad/s, evenly over ``length_s``; ``steps`` None:
    (6, n), the readings as they came."""

    length_s: float
    steps: int | None = None

    def __post_init__(self) -> None:
        _check("length_s", self.length_s, 0, LONGEST_S)
        if self.steps is not None:
            _check("steps", self.steps, 2, MOST_STEPS, whole=True)

    @property
    def window_bytes(self) -> int | None:
        """Of one window; None where the sensor decides."""
        return None if self.steps is None else 6 * 4 * self.steps


WindowFormat: TypeAlias = Frames | Sound | Map | Motion
_KINDS: dict[Modality, type[WindowFormat]] = {
    Modality.VISION: Frames,
    Modality.AUDIO: Sound,
    Modality.DEPTH: Map,
    Modality.THERMAL: Map,
    Modality.IMU: Motion,
}


def checked(modality: Modality, form: Any) -> WindowFormat:
    """The same format. Raises InvalidInput for one that the modality's windows cannot have."""
    kind = _KINDS.get(modality)
    if kind is None:
        raise InvalidInput(f"{modality}: no sensor gives it, so it has no windows")
    if not isinstance(form, kind):
        got = type(form).__name__
        raise InvalidInput(f"{modality}: its windows are {kind.__name__}, got {got}")
    return form


def to_plain(formats: Mapping[Modality, WindowFormat]) -> dict[str, Any]:
    """By the modality's name, as maps and numbers: what ``from_plain`` reads."""
    return {m.value: msgspec.to_builtins(checked(m, form)) for m, form in formats.items()}


def from_plain(told: Any) -> dict[Modality, WindowFormat]:
    """The formats that an encoder told. What is no modality of this version is passed over.

    Raises InvalidInput for what is no format, naming the modality.
    """
    if not isinstance(told, Mapping):
        raise InvalidInput(f"formats: wanted them by modality, got {type(told).__name__}")
    return {Modality(name): _read(Modality(name), told[name]) for name in told if name in SENSED}


def _read(modality: Modality, plain: Any) -> WindowFormat:
    try:
        form = msgspec.convert(plain, WindowFormat)
    except (msgspec.ValidationError, InvalidInput) as error:
        raise InvalidInput(f"{modality}: {error}") from error
    return checked(modality, form)


def _check(name: str, value: Any, above: float, most: float, *, whole: bool = False) -> None:
    """Above 0 and up to ``most``; a whole one from ``above`` on."""
    number = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not number or not math.isfinite(value):
        raise InvalidInput(f"{name}: wanted a {'whole ' * whole}number, got {value!r}")
    if value > most or value < above or value <= 0:
        raise InvalidInput(f"{name}: wanted {above} to {most:g}, got {value}")


def _check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidInput(f"{name}: wanted {' or '.join(known)}, got {value!r}")
