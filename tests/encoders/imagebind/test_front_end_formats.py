"""The settings of the front ends, as a weights file or a configuration gives them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bindstream.errors import WeightsError
from encoders.imagebind.front_end_formats import FrontEnds, ThermalFormat
from encoders.weights.card import read_card


def test_settings_come_by_name_and_ours_replace_the_files():
    """Breaks if one override resets the file's other settings, or lists stay lists."""
    ends = FrontEnds.of(
        {"depth": {"scale": 1.0, "mean": 0.2}, "imu": {"mean": [0.0] * 6}},
        {"depth": {"mean": 0.5}, "thermal": {"low_k": None}},
    )
    assert (ends.depth.scale, ends.depth.mean) == (1.0, 0.5)
    assert ends.imu.mean == (0.0,) * 6
    assert ends.thermal == ThermalFormat()
    assert FrontEnds.of(read_card(None).front_ends).depth.max_disparity_px == 10.0


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"depth": {"scael": 1.0}}, "depth has no setting 'scael'"),
        ({"sonar": {}}, "unknown modality 'sonar'"),
        ({"depth": {"scale": "8"}}, "depth.scale wants a number, got '8'"),
        ({"depth": {"scale": None}}, "depth.scale wants a number, got None"),
        ({"depth": {"scale": True}}, "depth.scale wants a number, got True"),
        ({"imu": {"mean": [0.0] * 3}}, r"imu.mean wants six numbers, got \[0.0, 0.0, 0.0\]"),
        ({"imu": {"std": 1.0}}, "imu.std wants six numbers, got 1.0"),
        ({"depth": 8.0}, "depth wants settings by name, got 8.0"),
        ([1], r"wants settings by modality, got \[1\]"),
    ],
)
def test_what_is_no_setting_is_refused_from_file_and_configuration(said, wrong):
    """Breaks if a misspelt setting is ignored in silence, or fails at the first window."""
    with pytest.raises(WeightsError, match=f"front_ends: {wrong}"):
        FrontEnds.of(said)
    with pytest.raises(WeightsError, match=f"front_ends: {wrong}"):
        FrontEnds.of({"depth": {"scale": 1.0}}, said)


def test_settings_are_read_without_torch():
    """Breaks if `check` must load torch to refuse a misspelt setting."""
    code = "import sys, encoders.imagebind.front_end_formats; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
