"""``bindstream bind``: files in, a file out that serves; and what is refused before start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from bindstream.command import cli
from bindstream.errors import ConfigError, InvalidInput
from bindstream.types import SENSED, Modality, Window
from deploy.lab import paired_files, write_pairs
from deploy.lab import pictures as scenes
from encoders.bind.inputs import Rows
from encoders.loading import load_encoder
from encoders.weights.card import read_card

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


def alone(folder: Path, modality: Modality, array: np.ndarray, meta: object = None) -> Window:
    """The window of one array saved as a paired file."""
    (folder / modality).mkdir(exist_ok=True)
    np.save(folder / modality / "x.npy", array)
    if meta is not None:
        (folder / "meta.json").write_text(json.dumps(meta))
    ((_, window),) = paired_files.read(folder, modality, ["x"])
    return window


OPTICS = {"fx_px": 97.0, "baseline_m": 0.05}


def test_millimetres_are_metres_as_everywhere(tmp_path: Path) -> None:
    """Breaks if bind takes a RealSense's counts for metres, which costs nearly all recall."""
    counts = np.full((8, 8), 2000, np.uint16)
    counts[0, 0] = 65535
    for array, scale in ((counts, {}), (counts / 2, {"scale_m": 0.002})):
        window = alone(tmp_path, Modality.DEPTH, array, {"depth": OPTICS | scale})
        assert window.data.dtype == np.float32
        assert window.data[1:] == pytest.approx(2.0)
    window = alone(tmp_path, Modality.DEPTH, counts, {"depth": OPTICS})
    assert window.data[0, 0] == 0
    with pytest.raises(InvalidInput, match=r'x\.npy: .*"depth": \{"scale_m": 0\.001\}'):
        alone(tmp_path, Modality.DEPTH, counts.astype("f4"))


def test_pictures_of_counts_and_tables_are_paired_files_too(tmp_path: Path) -> None:
    """Breaks if what `embed` reads as it is must be converted for bind."""
    (tmp_path / "meta.json").write_text(json.dumps({"depth": OPTICS, "imu": {"rate_hz": 400}}))
    for kind in ("depth", "imu"):
        (tmp_path / kind).mkdir()
    cv2.imwrite(str(tmp_path / "depth/a.png"), np.full((8, 8), 2000, np.uint16))
    np.save(tmp_path / "depth/b.npy", np.full((8, 8), 3.0))
    cv2.imwrite(str(tmp_path / "depth/b.png"), np.zeros((8, 8, 3), np.uint8))  # a preview
    for name in ("a", "b"):
        still = np.tile([0, 0, 9.8, 0, 0, 0], (2000, 1))
        np.savetxt(tmp_path / f"imu/{name}.csv", still, delimiter=",")
    names = paired_files.moments(tmp_path, [Modality.DEPTH, Modality.IMU])
    assert names == ["a", "b"]
    metres = [w.data[0, 0] for _, w in paired_files.read(tmp_path, Modality.DEPTH, names)]
    assert metres == pytest.approx([2.0, 3.0])
    shapes = [w.data.shape for _, w in paired_files.read(tmp_path, Modality.IMU, names)]
    assert shapes == [(6, 2000)] * 2


def test_units_of_heat_and_motion_can_be_stated(tmp_path: Path) -> None:
    """Breaks if Celsius and g are bound as kelvin and m/s2, or meta.json cannot say so."""
    with pytest.raises(InvalidInput, match=r'"thermal": \{"kelvin_offset": 273\.15\}'):
        alone(tmp_path, Modality.THERMAL, np.full((8, 8), 22.0))
    said = {"thermal": {"kelvin_offset": 273.15}}
    assert alone(tmp_path, Modality.THERMAL, np.full((8, 8), 22.0), said).data[0, 0] == (
        pytest.approx(295.15)
    )
    still = np.tile([0, 0, 1.0, 0, 0, 0], (2000, 1))
    with pytest.raises(InvalidInput, match=r'"imu": \{"accel_unit": "g"\}'):
        alone(tmp_path, Modality.IMU, still, {"imu": {"rate_hz": 400}})
    window = alone(tmp_path, Modality.IMU, still, {"imu": {"rate_hz": 400, "accel_unit": "g"}})
    assert window.data.shape == (6, 2000)
    assert window.data[2] == pytest.approx(9.80665)


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ('"text"', "wants an object by modality, got str"),
        ("[1]", "wants an object by modality, got list"),
        ("7", "wants an object by modality, got int"),
        ("{", "not JSON"),
        ("\udcff", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"depth": 5}', "depth wants an object of settings, got 5"),
        ('{"depth": []}', "depth wants an object of settings"),
        (
            '{"depth": {"fx_px": "615 px"}}',
            "depth.fx_px wants a focal length in pixels, 1 to 100000, got '615",
        ),
        ('{"depth": {"fx_px": 1e300}}', "depth.fx_px wants a focal length"),
        ('{"depth": {"baseline_m": 1e-300}}', "depth.baseline_m wants a stereo baseline"),
        ('{"depth": {"fx_px": NaN}}', "depth.fx_px wants a focal length"),
        ('{"depth": {"fx_px": {}}}', "depth.fx_px wants a focal length"),
        ('{"depth": {"fx": 615}}', "unknown key 'depth.fx'; did you mean 'fx_px'"),
        ('{"depth": {"fx_px": 615}}', "depth wants 'baseline_m'"),
        ("{}", "depth wants 'fx_px'"),
        ('{"imu": {"mean": [1, 2]}}', "imu.mean wants six numbers"),
        ('{"imu": {"accel_unit": ["g"]}}', "imu.accel_unit wants m/s2 or g or mg"),
        ('{"dept": {"fx_px": 615}}', "unknown key 'dept'; did you mean 'depth'?"),
        ('{"Depth": {"fx_px": 615}}', "unknown key 'Depth'; did you mean 'depth'?"),
        ('{"vision": {"fps": 30}}', "unknown key 'vision'; known: depth, imu, thermal"),
        ('{"thermal": {"rows": [5, 2]}}', "thermal.rows wants a count of lines"),
    ],
)
def test_a_meta_json_that_cannot_be_is_one_line(tmp_path: Path, meta: str, says: str) -> None:
    """Breaks if what a user typed into meta.json ends in a traceback, or is passed over."""
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth" / "x.npy", np.ones((4, 4), np.float32))
    (tmp_path / "meta.json").write_bytes(meta.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        list(paired_files.read(tmp_path, Modality.DEPTH, ["x"]))
    assert str(caught.value).startswith(f"{tmp_path / 'meta.json'}: {says}")
    assert "\n" not in str(caught.value)


def spoil_frames(folder: Path) -> tuple[str, str]:
    for n in (0, 1):
        cv2.imwrite(str(folder / f"vision/000007_{n}.png"), np.zeros((480, 640, 3), np.uint8))
    return "vision/000007_0.png", "wants square frames of a multiple of 112 pixels, got 640x480"


def spoil_array(content: bytes) -> Callable[[Path], tuple[str, str]]:
    def spoil(folder: Path) -> tuple[str, str]:
        (folder / "thermal/000007.npy").write_bytes(content)
        return "thermal/000007.npy", "an archive" if content[:2] == b"PK" else "not a NumPy array"

    return spoil


def spoil_heat(folder: Path) -> tuple[str, str]:
    np.save(folder / "thermal/000007.npy", np.full((4, 4), np.nan))
    return "thermal/000007.npy", "16 of 16 pixels are not finite"


@pytest.mark.parametrize(
    "spoil",
    [spoil_frames, spoil_array(b"PK\x03\x04"), spoil_array(b"words"), spoil_heat],
    ids=["vga", "archive", "text", "nan"],
)
def test_bind_names_the_file_that_it_cannot_use(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], tuple[str, str]],
) -> None:  # fmt: skip
    """Breaks if one bad file of thousands is called "stream 'vision' seq 7", or is a traceback."""
    mine = tmp_path / "pairs"
    shutil.copytree(folder, mine)
    name, says = spoil(mine)
    out = ["--how", "head", "--steps", "2", "--out", str(tmp_path / "m.safetensors")]
    assert cli.main(["bind", str(mine), "--modality", "thermal", *out]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"bindstream bind: {mine / name}: {says}")
    assert err.count("\n") == 1


def test_a_short_sound_is_named(tmp_path: Path) -> None:
    """Breaks if a WAV of half a second is silently stretched, or named by a stream."""
    (tmp_path / "audio").mkdir()
    paired_files._write_wav(tmp_path / "audio" / "x.wav", np.zeros(8000, np.float32))
    ((file, window),) = paired_files.read(tmp_path, Modality.AUDIO, ["x"])
    with pytest.raises(InvalidInput, match=r"x\.wav: wants float32 \(32000,\), got .*\(8000,\)"):
        Rows(read_card(None))(window, file)


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
