"""How the counts of a thermal camera become kelvin, as its options and its telemetry say. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bindstream import flir, thermal
from bindstream.errors import ConfigError, InvalidInput
from bindstream.types import Array
from sensors import lepton, options

LAYOUTS = ("y16", "p2pro", "lepton")
P2PRO_SCALE = 1.0 / 64.0
PLANCK = ("r1", "b", "f", "o", "r2")


@dataclass(frozen=True, slots=True)
class Counts:
    """``scale`` and ``offset``: kelvin per count, and added; ``planck`` instead; ``rows``: which
    lines are picture; ``layout``: whether there is telemetry that says more."""

    layout: str
    scale: float | None
    offset: float
    rows: thermal.Rows | None
    planck: flir.Planck | None

    def read(self, frame: Array) -> tuple[Array, lepton.Telemetry | None]:
        """A frame -> kelvin (H, W) float32, and its telemetry, where it has one.

        Raises InvalidInput, in words for the stream's ``why``.
        """
        picture, told = frame, None
        if self.layout == "lepton":
            picture, told = lepton.split(frame)
        try:
            picture = thermal.cropped(picture, self.rows)
        except InvalidInput as error:  # fewer lines than are asked for
            raise InvalidInput(f"option {error}") from None
        if self.planck is not None and frame.dtype.kind != "f":
            return flir.kelvin(picture, self.planck), told
        return thermal.kelvin(picture, self._scale(told), self.offset), told

    def _scale(self, told: lepton.Telemetry | None) -> float | None:
        if told is None:
            return self.scale
        if not told.tlinear:
            raise InvalidInput(
                "the camera says that TLinear is off: its counts are no temperature; switch its "
                "radiometry and TLinear on"
            )
        if self.scale not in (None, told.resolution_k):
            raise InvalidInput(
                f"the camera says that a count is {told.resolution_k:g} K, option kelvin_scale "
                f"{self.scale:g}: leave it out"
            )
        return told.resolution_k


def counts(
    stream: str,
    *,
    layout: Any,
    kelvin_scale: Any,
    kelvin_offset: Any,
    rows: int | Sequence[int] | None,
    planck: Mapping[str, float] | None,
) -> Counts:
    """From the options of a driver. Raises ConfigError for one that cannot be."""
    layout = options.one_of(stream, "layout", layout, LAYOUTS)
    if planck is not None and kelvin_scale is not None:
        wanted = "either planck or kelvin_scale"
        raise options.refused(stream, "kelvin_scale", kelvin_scale, wanted)
    if kelvin_scale is None and layout == "p2pro":
        kelvin_scale = P2PRO_SCALE
    scale = None
    if kelvin_scale is not None:
        scale = options.number(stream, "kelvin_scale", kelvin_scale, 1e-5, 10.0)
    offset = options.number(stream, "kelvin_offset", kelvin_offset, -1000.0, 1000.0)
    return Counts(layout, scale, offset, picture_rows(stream, rows), _planck(stream, planck))


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


def _planck(stream: str, planck: Any) -> flir.Planck | None:
    """The option ``planck``: FLIR's five constants. Raises ConfigError."""
    if planck is None:
        return None
    if not isinstance(planck, dict) or set(planck) != set(PLANCK):
        raise options.refused(stream, "planck", planck, f"a map of {', '.join(PLANCK)}")
    least = {"r1": 1e-3, "b": 1.0, "r2": 1e-9}
    numbers = {k: options.number(stream, f"planck.{k}", planck[k], least.get(k, -1e9), 1e9)
               for k in PLANCK}  # fmt: skip
    return flir.Planck(**numbers)
