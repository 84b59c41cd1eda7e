"""``bindstream bind``: files in, a file out that serves; and what is refused before start."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bindstream.errors import ConfigError, InvalidInput
from bindstream.types import SENSED, Modality
from deploy import cli, paired_files, scenes, write_pairs
from encoders.card import read_card
from encoders.loading import load_encoder

COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Paired files of a camera and a thermal camera that hangs upside down."""
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs.write(folder, COUNT, 3, "thermal", odd=True)
    return folder


@pytest.mark.parametrize("modality", SENSED)
def test_a_window_survives_being_a_file(tmp_path: Path, modality: Modality) -> None:
    """Breaks if units, channel order or scale are lost on disk."""
    cut, _ = scenes.scene(3, 0, "test")
    paired_files.write(tmp_path, "000000", cut[modality])
    paired_files.write_meta(tmp_path, cut)
    assert paired_files.moments(tmp_path, [modality]) == ["000000"]
    ((file, window),) = paired_files.read(tmp_path, modality, ["000000"])
    assert file.is_file()
    wanted = cut[modality]
    atol = 1 / 32000 if modality is Modality.AUDIO else 0
    assert window.data.dtype == wanted.data.dtype
    assert np.allclose(window.data, wanted.data, atol=atol)
    if modality in (Modality.DEPTH, Modality.IMU):
        assert window.meta == wanted.meta


def test_moments_are_those_that_all_sensors_have(tmp_path: Path) -> None:
    """Breaks if a moment without its picture shifts all later pairs by one."""
    for name in ("a", "b", "c"):
        (tmp_path / "thermal").mkdir(exist_ok=True)
        np.save(tmp_path / "thermal" / f"{name}.npy", np.zeros((4, 4), np.float32))
    (tmp_path / "imu").mkdir()
    np.save(tmp_path / "imu" / "b.npy", np.zeros((6, 10), np.float32))
    assert paired_files.moments(tmp_path, [Modality.THERMAL, Modality.IMU]) == ["b"]
    with pytest.raises(ConfigError, match="no moment has all of"):
        paired_files.moments(tmp_path, [Modality.THERMAL, Modality.VISION])


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """Breaks if a user of ten thousand files is not told which one is bad."""
    (tmp_path / "thermal").mkdir()
    (tmp_path / "thermal" / "x.npy").write_bytes(b"no array")
    with pytest.raises(InvalidInput, match=r"x\.npy"):
        list(paired_files.read(tmp_path, Modality.THERMAL, ["x"]))


def test_bind_writes_weights_of_the_same_space_that_serve(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Breaks if binding moves the space, loses a tower, or writes what the encoder cannot load."""
    out = tmp_path / "mine.safetensors"
    words = ["bind", str(folder), "--modality", "thermal", "--how", "head", "--steps", "12"]
    assert cli.main([*words, "--batch", "24", "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["moments"] == COUNT // 5
    old, new = read_card(None), read_card(out)
    assert new.space_id == old.space_id
    assert new.modalities == old.modalities
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    cut, _ = scenes.scene(3, 1, "test")
    before, after = (load_encoder("imagebind", w, dtype="float32") for w in (None, str(out)))
    same = [cut[Modality.AUDIO]]
    assert np.allclose(before.encode(same), after.encode(same), atol=1e-5)
    changed = [write_pairs.oddly(cut[Modality.THERMAL])]
    assert not np.allclose(before.encode(changed), after.encode(changed), atol=1e-3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "wants a folder"),
        (["nowhere", "--modality", "imu", "--out", "x.safetensors"], "no such folder"),
        (["--recipe", "tiny"], "--out wants a file"),
        (["--recipe", "tiny", "--out", "x.pth"], "--out wants a file"),
    ],
)
def test_what_cannot_work_is_refused_before_start(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Breaks if an hour of training ends in an error that was there from the start."""
    assert cli.main(["bind", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_recipe_makes_a_file_that_serves(tmp_path: Path) -> None:
    """Breaks if a stage's output does not fit the next, or the card does not fit the weights."""
    out, work = tmp_path / "small.safetensors", tmp_path / "work"
    words = ["bind", "--recipe", "tiny", "--out", str(out), "--work", str(work)]
    assert cli.main([*words, "--scenes", "40", "--shorten", "0.001", "--workers", "1"]) == 0
    encoder = load_encoder("imagebind", str(out), dtype="float32")
    assert encoder.space_id.startswith("bindstream_tiny:")
    cut, _ = scenes.scene(0, 0, "test")
    for window in cut.values():
        assert np.linalg.norm(encoder.encode([window])) == pytest.approx(1.0, abs=1e-5)
    assert out.stat().st_size <= 8_000_000
    assert (work / "loss.png").is_file()
