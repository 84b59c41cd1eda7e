"""How who reads a file can state what it does not say: in the words of a command or a file.

``{}`` is what would be right. A doubt without such words stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from bindstream.doubt import Doubt
from bindstream.errors import InvalidInput

Advice: TypeAlias = Mapping[str, str]

EMBED: Advice = {
    "scale_m": "--depth-unit-m {}",
    "kelvin_scale": "--thermal-unit-k {}",
    "kelvin_offset": "--thermal-offset-k {}",
    "rows": "--thermal-rows N cuts them off",
    "accel_unit": "--imu-unit {}",
    "gyro_unit": "--imu-unit {}",
    "columns": "--imu-columns {}",
}
BIND: Advice = {
    "scale_m": '"depth": {{"scale_m": {}}} in meta.json',
    "kelvin_scale": '"thermal": {{"kelvin_scale": {}}} in meta.json',
    "kelvin_offset": '"thermal": {{"kelvin_offset": {}}} in meta.json',
    "rows": '"thermal": {"rows": N} in meta.json cuts them off',
    "accel_unit": '"imu": {{"accel_unit": "{}"}} in meta.json',
    "gyro_unit": '"imu": {{"gyro_unit": "{}"}} in meta.json',
    "columns": '"imu": {{"columns": ["{}"]}} in meta.json',
}


def refusal(doubt: Doubt, advice: Advice, setting: str = "", right: object = "") -> InvalidInput:
    """The error that words a doubt, and the setting that would mend it, where there is one."""
    if not setting:
        return InvalidInput(str(doubt))
    if setting == "rows":
        return InvalidInput(f"{doubt}; {advice[setting]}")
    said = f"{right:g}" if isinstance(right, float) else str(right)
    return InvalidInput(f"{doubt}; if so, say {advice[setting].format(said)}")


def refusal_of_two(doubt: Doubt, advice: Advice, right: Mapping[str, float | None]) -> InvalidInput:
    """As ``refusal``, where two settings together would mend it."""
    said = " and ".join(advice[key].format(f"{value:.6g}") for key, value in right.items())
    return InvalidInput(f"{doubt}; if so, say {said}")
