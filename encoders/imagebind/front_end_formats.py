"""The numbers of the front ends that the reference left open: depth, thermal and IMU.

Every one is a field that a weights file (``front_ends`` in its card) or a configuration may
replace. No torch here: `check` refuses a misspelt setting without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from bindstream.errors import WeightsError


@dataclass(frozen=True, slots=True)
class DepthFormat:
    """Metres -> the model's depth channel.

    From I. Misra's note (facebookresearch/omnivore issue 12) and Omnivore's released RGB-D
    settings: disparity = baseline * focal / depth, clamped, divided by 75. ``scale`` multiplies
    metres first: SUN RGB-D's raw 16-bit values over 1000, which the community's ``mean`` and
    ``std`` fit, read eight times the true depth. Best effort: Meta never confirmed these.
    """

    scale: float = 8.0
    min_depth: float = 0.01
    max_depth: float = 50.0
    min_disparity_px: float = 0.01
    max_disparity_px: float = 75.0
    mean: float = 0.0418
    std: float = 0.0295

    def nearest_m(self, fx_px: float, baseline_m: float) -> float:
        """Metres below which every distance reads the same: the disparity is at its limit."""
        return max(fx_px * baseline_m / self.max_disparity_px, self.min_depth) / self.scale

    def reaching(self, nearest_m: float, fx_px: float, baseline_m: float) -> DepthFormat:
        """One that tells distances apart down to ``nearest_m``. What was told apart before reads
        as before, so that a tower trained on it still knows it."""
        wanted_px = fx_px * baseline_m / (nearest_m * self.scale)
        more = max(1.0, wanted_px / self.max_disparity_px)
        return replace(
            self,
            min_depth=min(self.min_depth, nearest_m * self.scale),
            max_disparity_px=self.max_disparity_px * more,
            mean=self.mean / more,
            std=self.std / more,
        )


@dataclass(frozen=True, slots=True)
class ThermalFormat:
    """Kelvin -> 0..1, as an infrared camera with automatic gain shows it.

    ImageBind's thermal data (LLVIP) are such 8-bit pictures, without absolute temperature. The
    range is the frame's own ``low_percentile`` to ``high_percentile``, at least ``min_span_k``
    kelvin wide (else a blank wall becomes noise), or fixed by ``low_k`` and ``high_k``. No mean or
    std: users measured 62 % on LLVIP without, 55 % with (paper 63 %). Not confirmed by Meta.
    """

    low_percentile: float = 1.0
    high_percentile: float = 99.0
    min_span_k: float = 4.0
    low_k: float | None = None
    high_k: float | None = None
    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True, slots=True)
class ImuFormat:
    """m/s2 and rad/s -> z-scores per channel, accelerometer first.

    As FAIR's own Ego4D loader (pytorchvideo, ego4d_dataset.py) does over a whole recording; live,
    with the running mean and std that travel with the window, or with a fixed ``mean`` and
    ``std`` of six numbers. That ImageBind's training did the same is probable, not published.
    ``min_std`` keeps a sensor that does not move at all from being divided by nothing.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    min_std: float = 1e-3


@dataclass(frozen=True, slots=True)
class FrontEnds:
    """The settings of the three front ends that the reference left open."""

    depth: DepthFormat = DepthFormat()
    thermal: ThermalFormat = ThermalFormat()
    imu: ImuFormat = ImuFormat()

    @classmethod
    def of(cls, said: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> FrontEnds:
        """From ``{"depth": {...}, "thermal": {...}, "imu": {...}}``, single numbers of it replaced
        by ``overrides`` of the same form. Raises WeightsError for a name that is not a setting,
        and for settings that are not names and numbers."""
        ours = {} if overrides is None else overrides
        return cls(**{name: _format(name, said, ours) for name in _names(said, ours)})


_FORMATS: dict[str, Any] = {"depth": DepthFormat, "thermal": ThermalFormat, "imu": ImuFormat}


def _names(*tables: Any) -> list[str]:
    for table in tables:
        if not isinstance(table, Mapping):
            raise WeightsError(f"front_ends: wants settings by modality, got {table!r}")
        for name in table:
            if name not in _FORMATS:
                raise WeightsError(f"front_ends: unknown modality '{name}', has {sorted(_FORMATS)}")
    return list(_FORMATS)


def _format(name: str, *tables: Mapping[str, Any]) -> Any:
    kind, settings = _FORMATS[name], {}
    known = {f.name: str(f.type) for f in fields(kind)}
    for table in (table.get(name, {}) for table in tables):
        if not isinstance(table, Mapping):
            raise WeightsError(f"front_ends: {name} wants settings by name, got {table!r}")
        for key, value in table.items():
            if key not in known:
                raise WeightsError(f"front_ends: {name} has no setting '{key}', has {list(known)}")
            settings[key] = _checked(f"{name}.{key}", value, known[key])
    return kind(**settings)


def _checked(key: str, value: Any, wanted: str) -> Any:
    """``wanted``: the field's type, as written above."""
    if value is None and wanted.endswith("None"):
        return None
    if not wanted.startswith("tuple"):
        if not _is_number(value):
            raise WeightsError(f"front_ends: {key} wants a number, got {value!r}")
        return value
    if not isinstance(value, list | tuple) or len(value) != 6 or not all(map(_is_number, value)):
        raise WeightsError(f"front_ends: {key} wants six numbers, got {value!r}")
    return tuple(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
