"""Depth and heat from files: one meaning each, whatever the type; what cannot be is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from bindstream.errors import InvalidInput
from encoders.files import read as files
from encoders.files.advice import BIND
from tests.devices import thermal_frames

RNG = np.random.default_rng(1)


def save(path, array: np.ndarray):
    """By the ending: .npy, or a picture."""
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        assert cv2.imwrite(str(path), array)
    return path


DEPTH = RNG.integers(500, 6000, (24, 32)).astype(np.uint16)
HEAT = RNG.integers(29000, 31000, (24, 32)).astype(np.uint16)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("u16.npy", DEPTH),
        ("big.npy", DEPTH.astype(">u2")),
        ("i32.npy", DEPTH.astype(np.int32)),
        ("u16.png", DEPTH),
        ("u16.tiff", DEPTH),
        ("f4.npy", (DEPTH / 1000).astype("f4")),
        ("f8big.npy", (DEPTH / 1000).astype(">f8")),
        ("one.npy", DEPTH[:, :, None]),
        ("first.npy", DEPTH[None]),
        ("f4.tiff", (DEPTH / 1000).astype("f4")),
    ],
)
def test_depth_means_the_same_in_every_file(tmp_path, name, array):
    """Breaks if an integer .npy is taken for metres, a byte order for noise, or a float TIFF for a
    picture."""
    metres = files.read_depth(save(tmp_path / name, array))
    assert metres.dtype == np.float32
    assert metres.dtype.isnative
    assert np.allclose(metres, DEPTH / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("u16.npy", HEAT),
        ("u16.png", HEAT),
        ("u16.tiff", HEAT),
        ("big.npy", HEAT.astype(">u2")),
        ("f4.npy", (HEAT / 100).astype("f4")),
        ("f4.tiff", (HEAT / 100).astype("f4")),
        ("f8.npy", (HEAT / 100).astype(">f8")),
    ],
)
def test_heat_means_the_same_in_every_file(tmp_path, name, array):
    """Breaks if counts are taken for kelvin, or kelvin in a float TIFF for a picture."""
    kelvin = files.read_thermal(save(tmp_path / name, array))
    assert kelvin.dtype == np.float32
    assert np.allclose(kelvin, HEAT / 100, atol=1e-3)


@pytest.mark.parametrize("name", ["holes.npy", "holes.tiff"])
def test_all_that_is_no_depth_is_a_hole(tmp_path, name):
    """Breaks if NaN or infinity refuse a file that the driver takes."""
    metres = np.full((12, 16), 2.0, np.float32)
    metres[0, :4] = np.nan, np.inf, -np.inf, -1
    read = files.read_depth(save(tmp_path / name, metres))
    assert read[0, :5].tolist() == [0, 0, 0, 0, 2]


def test_65535_is_a_hole_unless_another_count_is_stated(tmp_path):
    """Breaks if "nothing measured" is a wall at 65.5 m."""
    frame = DEPTH.copy()
    frame[0, :2] = 65535, 4095
    path = save(tmp_path / "d.npy", frame)
    assert np.allclose(files.read_depth(path)[0, :2], [0, 4.095])
    assert np.allclose(files.read_depth(path, invalid=4095)[0, :2], [65.535, 0])


def test_float_millimetres_are_refused_with_words_that_work(tmp_path):
    """Breaks if a room of two kilometres passes, or the advice changes nothing."""
    path = save(tmp_path / "mm.npy", DEPTH.astype("f4"))
    with pytest.raises(InvalidInput, match=r"mm\.npy: .*millimetres.*--depth-unit-m 0\.001"):
        files.read_depth(path)
    with pytest.raises(InvalidInput, match=r'"depth": \{"scale_m": 0\.001\} in meta\.json'):
        files.read_depth(path, advice=BIND)
    assert np.allclose(files.read_depth(path, 0.001), DEPTH / 1000)


def test_celsius_and_float_counts_are_refused_with_words_that_work(tmp_path):
    """Breaks if 25 K or 30,000 K pass as a scene, or the advice changes nothing."""
    celsius = save(tmp_path / "c.tiff", (HEAT / 100 - 273.15).astype("f4"))
    with pytest.raises(InvalidInput, match=r"c\.tiff.*Celsius.*--thermal-offset-k 273\.15"):
        files.read_thermal(celsius)
    assert np.allclose(files.read_thermal(celsius, offset_k=273.15), HEAT / 100, atol=1e-3)
    counts = save(tmp_path / "n.npy", HEAT.astype("f4"))
    with pytest.raises(InvalidInput, match=r"steps of 0\.01 K.*--thermal-unit-k 0\.01"):
        files.read_thermal(counts)
    assert np.allclose(files.read_thermal(counts, 0.01), HEAT / 100, atol=1e-3)
    with pytest.raises(InvalidInput, match="no temperatures, or the scale is wrong"):
        files.read_thermal(save(tmp_path / "raw.npy", np.full((9, 9), 8192, np.uint16)))
    hot = np.full((9, 9), 300.0)
    hot[0, :2] = np.inf, np.nan
    with pytest.raises(InvalidInput, match="2 of 81 pixels are not finite"):
        files.read_thermal(save(tmp_path / "inf.npy", hot))


def test_telemetry_is_noticed_and_cut(tmp_path):
    """Breaks if two lines of counters stretch the contrast of the picture."""
    picture = RNG.integers(29500, 30900, (120, 160)).astype(np.uint16)
    lines = RNG.integers(0, 65535, (2, 160)).astype(np.uint16)
    path = save(tmp_path / "lepton.png", np.vstack([picture, lines]))
    with pytest.raises(InvalidInput, match=r"160x120 camera with 2 lines.*--thermal-rows"):
        files.read_thermal(path)
    assert np.allclose(files.read_thermal(path, rows=(0, 120)), picture / 100)
    with pytest.raises(InvalidInput, match="rows 0 to 200 were asked for, got 122"):
        files.read_thermal(path, rows=(0, 200))
    odd = save(tmp_path / "odd.npy", np.vstack([lines[:, :100] // 60, picture[:50, :100]]))
    with pytest.raises(InvalidInput, match=r"telemetry; rows: \[2, 52\] takes the picture alone"):
        files.read_thermal(odd)


def test_a_cold_pixel_at_the_edge_is_no_telemetry(tmp_path):
    """Breaks if one dead pixel refuses a camera's every frame."""
    frame = np.full((48, 64), 300.0)
    frame[0, 0] = 0.0
    assert files.read_thermal(save(tmp_path / "t.npy", frame)).shape == (48, 64)


def test_false_colours_are_no_temperatures(tmp_path):
    """Breaks if a coloured JPEG or PNG passes for heat; a grey one is what the model was
    trained with."""
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)[None].repeat(48, 0)
    colours = cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)
    for name in ("c.png", "c.jpg"):
        with pytest.raises(InvalidInput, match=rf"{name}: .*false colours are no temperatures"):
            files.read_thermal(save(tmp_path / name, colours))
    grey = files.read_thermal(save(tmp_path / "g.jpg", np.dstack([ramp] * 3)))
    assert np.abs(grey - ramp).max() < 4
    Image.fromarray(ramp).convert("P").save(tmp_path / "p.png")
    assert np.array_equal(files.read_thermal(tmp_path / "p.png"), ramp)
    whole = thermal_frames.scenery(48, 64)
    flir = thermal_frames.radiometric_jpeg(thermal_frames.fff(thermal_frames.seen(whole)))
    (tmp_path / "w.jpg").write_bytes(flir)
    assert np.abs(files.read_thermal(tmp_path / "w.jpg", 0.04, 273.15) - whole).max() <= 0.1
    flir = (tmp_path / "c.jpg").read_bytes()
    (tmp_path / "r.jpg").write_bytes(flir[:2] + b"\xff\xe1\x00\x08FLIR\x00\x01" + flir[2:])
    with pytest.raises(InvalidInput, match=r"r\.jpg: is a damaged radiometric JPEG"):
        files.read_thermal(tmp_path / "r.jpg")


@pytest.mark.parametrize("kind", ["depth", "thermal"])
def test_what_holds_no_measures_is_refused(tmp_path, kind):
    """Breaks if letters, colours or nothing at all become a frame."""
    read = {"depth": files.read_depth, "thermal": files.read_thermal}[kind]
    for name, array in {
        "s.npy": np.array([["a", "b"]]),
        "c.npy": np.ones((2, 3), complex),
        "e.npy": np.zeros((0, 4), np.uint16),
        "l.npy": np.zeros(7),
        "rgb.npy": np.zeros((4, 4, 3), np.float32),
        "rgb16.png": np.full((4, 4, 3), (0, 30000, 60000), np.uint16),
    }.items():
        with pytest.raises(InvalidInput, match=name.replace(".", r"\.") + ": "):
            read(save(tmp_path / name, array))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_a_picture_of_16_bits_is_its_8_bit_twin(tmp_path, suffix):
    """Breaks if 16 bits are clipped to white, as Pillow does it."""
    ramp = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    grey = files.read_image(save(tmp_path / f"g.{suffix}", ramp))
    assert grey.dtype == np.uint8
    assert np.abs(grey[..., 0] - (ramp / 257)).max() <= 1
    colours = np.dstack([ramp, ramp[::-1], np.zeros_like(ramp)])
    read = files.read_image(save(tmp_path / f"c.{suffix}", colours))
    assert np.abs(read - colours[:, :, ::-1] / 257).max() <= 1
    by_driver = cv2.imread(str(tmp_path / f"g.{suffix}"), cv2.IMREAD_COLOR)
    assert np.abs(grey.astype(int) - by_driver).max() <= 1


def test_measures_are_no_picture(tmp_path):
    """Breaks if kelvin or metres are clipped to white and embedded as a photograph."""
    with pytest.raises(InvalidInput, match="such numbers are measures, not a picture"):
        files.read_image(save(tmp_path / "f.tiff", np.full((8, 8), 300.0, np.float32)))


def test_fahrenheit_is_told_from_celsius_with_words_that_work(tmp_path):
    """Breaks if a room of 75 degrees is advised to be read as Celsius: 348 K."""
    path = save(tmp_path / "f.npy", ((HEAT / 100 - 273.15) * 9 / 5 + 32).astype("f4"))
    says = r"Fahrenheit.*--thermal-unit-k 0\.555556 and --thermal-offset-k 255\.372"
    with pytest.raises(InvalidInput, match=says):
        files.read_thermal(path)
    assert np.allclose(files.read_thermal(path, 5 / 9, 255.372), HEAT / 100, atol=1e-2)


def test_centimetres_are_not_advised_away(tmp_path):
    """Breaks if 250 cm are called millimetres alone: read so, a room is a quarter of a metre."""
    with pytest.raises(InvalidInput, match=r"millimetres \(or centimetres: 2\.5 m, not 0\.25\)"):
        files.read_depth(save(tmp_path / "cm.npy", np.full((9, 9), 250, "f4")))


def test_a_file_of_several_measurements_is_refused(tmp_path):
    """Breaks if all pages of a TIFF but the first, or an archive's name, are passed over."""
    page = Image.fromarray(np.full((9, 9), 1500, np.uint16))
    page.save(tmp_path / "two.tif", save_all=True, append_images=[page])
    with pytest.raises(InvalidInput, match=r"two\.tif: holds 2 pictures: save each"):
        files.read_depth(tmp_path / "two.tif")
    np.savez(tmp_path / "d.npz", np.ones((9, 9)))
    with pytest.raises(InvalidInput, match=r"d\.npz: an archive of arrays: save the one"):
        files.read_thermal(tmp_path / "d.npz")
