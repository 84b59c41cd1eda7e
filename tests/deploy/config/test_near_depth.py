"""Depth that is too near for the weights is said: at check, plan and embed, and while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bindstream.command import cli
from bindstream.types import DepthMeta, Modality, Window
from deploy.config import near_depth
from deploy.config.file import load, shipped_path
from deploy.lab import write_pairs
from encoders.imagebind import frontends
from encoders.imagebind.encoder import ImageBindEncoder
from encoders.imagebind.front_end_formats import DepthFormat, FrontEnds
from encoders.weights.card import read_card
from tests.deploy.configs import write

KINECT = {"fx_px": 585.0, "baseline_m": 0.04}
"""A structured-light camera of the first Kinect's kind."""
TINY = FrontEnds.of(read_card(None).front_ends).depth
NEAR = {
    "name": "near",
    "modality": "depth",
    "driver": "push",
    "options": {"modality": "depth", **KINECT},
}


def room(nearest_m: float, farthest_m: float) -> torch.Tensor:
    """(64, 64) metres, a slope from near to far."""
    return torch.linspace(nearest_m, farthest_m, 64).repeat(64, 1)


def test_below_the_stated_distance_all_is_one_value():
    """Breaks if the distance that is warned of is not the one where the front end goes flat."""
    limit = TINY.nearest_m(**KINECT)
    assert limit == pytest.approx(2.34)
    flat = frontends.depth(room(0.4, limit), **KINECT, size=64, fmt=TINY)
    assert float(flat.std()) < 1e-6
    seen = frontends.depth(room(limit, 2 * limit), **KINECT, size=64, fmt=TINY)
    assert float(seen.std()) > 0.1


def test_a_longer_reach_leaves_the_rest_as_it_was():
    """Breaks if a bound camera's settings move what the tower was trained to see."""
    fmt = TINY.reaching(0.5, **KINECT)
    assert fmt.nearest_m(**KINECT) == pytest.approx(0.5)
    far = room(2.4, 8.0)
    before, after = (frontends.depth(far, **KINECT, size=64, fmt=f) for f in (TINY, fmt))
    assert torch.allclose(before, after, atol=1e-5)
    assert float(frontends.depth(room(0.5, 2.3), **KINECT, size=64, fmt=fmt).std()) > 0.1
    assert TINY.reaching(5.0, **KINECT) == TINY  # already told apart: nothing changes
    assert DepthFormat().nearest_m(**KINECT) < 0.1  # imagebind_huge's own


@pytest.mark.parametrize("verb", ["check", "plan"])
def test_a_camera_whose_near_range_is_flat_is_warned_of(tmp_path, caplog, verb):
    """Breaks if two different scenes get one vector and nobody was told."""
    path = write(tmp_path, NEAR, encoder={"weights": "bindstream_tiny"})
    words = [verb, str(path)] + (["--no-devices", "--no-ports"] if verb == "check" else [])
    assert cli.main(words) == 0
    (said,) = [r.getMessage() for r in caplog.records if r.name == "deploy.config.preflight"]
    assert "stream 'near': all that is nearer than 2.3 m is one flat surface" in said
    assert "--nearest-m 0.5" in said


def test_what_the_warning_says_to_write_helps(tmp_path, caplog):
    """Breaks if the settings that are offered are not ones that the configuration takes."""
    fmt = TINY.reaching(near_depth.USUAL_NEAREST_M, **KINECT)
    depth = {"max_disparity_px": fmt.max_disparity_px, "mean": fmt.mean, "std": fmt.std}
    encoder = {"weights": "bindstream_tiny", "options": {"front_ends": {"depth": depth}}}
    path = write(tmp_path, NEAR, encoder=encoder)
    assert cli.main(["check", str(path), "--no-devices", "--no-ports"]) == 0
    assert not caplog.records


def test_the_shipped_robot_is_not_warned_of():
    """Breaks if a robot whose depth is fine starts with a warning."""
    assert list(near_depth.warnings(load(shipped_path()))) == []


def window(metres: np.ndarray, stream: str = "near") -> Window:
    meta = DepthMeta(**KINECT)
    return Window(
        robot="r",
        stream=stream,
        modality=Modality.DEPTH,
        epoch=1,
        seq=0,
        start_ns=0,
        end_ns=1,
        data=metres,
        meta=meta,
    )


def test_a_flat_window_is_said_once_while_it_runs(caplog):
    """Breaks if a camera that moves close, or whose numbers come late, goes blind in silence."""
    encoder = ImageBindEncoder(None, modalities=["depth"], device="cpu", dtype="float32")
    near, far = room(0.5, 2.0).numpy(), room(2.0, 8.0).numpy()
    encoder.encode([window(far)])
    said = [r for r in caplog.records if r.name == "encoders.imagebind.inputs"]
    assert said == []
    for _ in range(3):
        encoder.encode([window(near), window(near, "other")])
    said = [r.getMessage() for r in caplog.records if r.name == "encoders.imagebind.inputs"]
    assert [s.partition(":")[0] for s in said] == ["stream 'near'", "stream 'other'"]
    assert "nearer than 2.3 m" in said[0]


def test_embed_says_it_too(tmp_path, caplog):
    """Breaks if two pictures of a table top are found equal without a word."""
    np.save(tmp_path / "table.npy", room(0.5, 1.5).numpy())
    words = ["embed", "--depth", str(tmp_path / "table.npy"), "--fx-px", "585"]
    assert cli.main([*words, "--baseline-m", "0.04"]) == 0
    assert any("one flat surface" in r.getMessage() for r in caplog.records)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Paired files of the simulated world, as if its camera had a longer focal length."""
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs.write(folder, 48, 3, Modality.DEPTH, odd=False)
    (folder / "meta.json").write_text(json.dumps({"depth": KINECT}))
    return folder


def test_a_bound_file_carries_its_own_cameras_settings(folder, tmp_path, capsys):
    """Breaks if a file bound to a camera keeps the settings of another: its near range is lost."""
    words = ["bind", str(folder), "--modality", "depth", "--how", "head", "--steps", "4"]
    for name, more in (("old", []), ("new", ["--nearest-m", "0.5"])):
        out = tmp_path / f"{name}.safetensors"
        assert cli.main([*words, "--batch", "8", "--out", str(out), *more]) == 0
    assert capsys.readouterr().err.count("nearer than 2.3 m") == 1
    old, new = (read_card(tmp_path / f"{name}.safetensors") for name in ("old", "new"))
    assert FrontEnds.of(old.front_ends).depth == TINY
    assert FrontEnds.of(new.front_ends).depth == TINY.reaching(0.5, **KINECT)
    assert new.front_ends["thermal"] == old.front_ends["thermal"]
    assert new.space_id == old.space_id
    assert cli.main([*words, "--out", str(tmp_path / "x.safetensors"), "--nearest-m", "0"]) == 2
