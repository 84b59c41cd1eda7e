"""Thermal counts -> kelvin, bit for bit, from real files; what is no temperature is refused."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from PIL import Image

from bindstream.errors import ConfigError, WrongFormat
from bindstream.thermal import kelvin
from sensors.thermal import ThermalCamera
from sensors.video.raw16 import p2pro
from tests.devices.reading import played, played_whole
from tests.devices.video_files import write_gray8, write_gray16, write_images

OFFSETS, COUNTS = 273, 279
"""TIFF's numbers of the tags that say where a picture's strips lie."""


def warm(n=4, height=48, width=64, unit_k=0.01):
    """Counts of scenes from 280 to 330 K."""
    kelvin = np.random.default_rng(5).uniform(280, 330, (n, height, width))
    return list(np.rint(kelvin / unit_k).astype(np.uint16))


def test_tlinear_video_is_bit_exact(tmp_path):
    """Breaks if OpenCV turns 16 bits into 8, or the scale is off."""
    frames = warm()
    path = write_gray16(tmp_path / "t.mkv", frames, 9)
    _, samples = played_whole(lambda: ThermalCamera("t", source=str(path), rate_hz=9))
    for sample, frame in zip(samples, frames, strict=True):
        assert sample.data.dtype == np.float32
        assert np.array_equal(np.rint(sample.data * 100).astype(np.uint16), frame)


def test_celsius_counts_take_an_offset(tmp_path):
    """Breaks if a Duo's C = 0.04 n - 273.15 cannot be stated."""
    frame = np.full((48, 64), 7400, np.uint16)
    path = write_images(tmp_path / "%d.tiff", [frame])
    (sample,) = played(ThermalCamera("t", source=str(path), rate_hz=9, kelvin_scale=0.04))
    assert np.allclose(sample.data, 296.0)
    with pytest.raises(WrongFormat, match="kelvin_offset"):
        ThermalCamera(
            "t", source=str(path), rate_hz=9, kelvin_scale=0.04, kelvin_offset=-273.15
        ).open(time.time_ns)


def test_p2pro_gives_its_lower_half(tmp_path):
    """Breaks if the picture half is taken for temperatures, or 1/64 K is not the scale."""
    frame = np.vstack([np.full((192, 256), 0x8080, np.uint16), warm(1, 192, 256, 1 / 64)[0]])
    path = write_gray16(tmp_path / "t.mkv", [frame] * 2, 25)
    _, samples = played_whole(lambda: ThermalCamera("t", source=str(path), layout="p2pro"))
    assert np.array_equal(samples[0].data, frame[192:].astype(np.float32) / 64)
    as_yuyv = frame.reshape(-1).view(np.uint8).reshape(384, 256, 2)
    assert np.array_equal(p2pro("t", as_yuyv), frame[192:])
    with pytest.raises(WrongFormat, match="256x384"):
        p2pro("t", frame[:300])


def test_float_pictures_are_kelvin(tmp_path):
    """Breaks if kelvin are scaled once more."""
    frame = np.full((48, 64), 301.5, np.float32)
    assert cv2.imwrite(str(tmp_path / "t.tiff"), frame)
    (sample,) = played(ThermalCamera("t", source=str(tmp_path / "t.tiff"), rate_hz=9))
    assert np.array_equal(sample.data, frame)


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_a_tiff_of_pages_is_a_recording(tmp_path, kind):
    """Breaks if its first page is shown for ever, or a damaged page costs its neighbours."""
    frames = [frame if kind is np.uint16 else frame / np.float32(100) for frame in warm(40)]
    path = tmp_path / "t.tif"
    assert cv2.imwritemulti(str(path), frames)
    with Image.open(path) as file:
        file.seek(20)
        strips = zip(file.tag_v2[OFFSETS], file.tag_v2[COUNTS], strict=True)
    data = bytearray(path.read_bytes())
    for at, n in strips:
        data[at : at + n] = b"\xff" * n
    path.write_bytes(data)
    camera = ThermalCamera("t", source=str(path), rate_hz=20)
    samples = played(camera)
    first_ns = samples[0].t_ns
    for sample in samples:
        n = round((sample.t_ns - first_ns) * 20 / 1e9)
        assert np.array_equal(sample.data, kelvin(frames[n]))
    assert camera.counters["bad"] + camera.counters["out_of_range"] <= 1
    assert len(samples) + sum(camera.counters.values()) == 40


def test_what_is_no_temperature_is_refused(tmp_path):
    """Breaks if a camera with TLinear off, or an 8-bit picture of heat, passes."""
    eight = write_gray8(tmp_path / "g.mkv", [np.full((48, 64), 99, np.uint8)] * 2)
    with pytest.raises(WrongFormat, match="16-bit"):
        ThermalCamera("t", source=str(eight)).open(time.time_ns)
    raw = write_images(tmp_path / "%d.png", [np.full((48, 64), 8192, np.uint16)])
    with pytest.raises(WrongFormat, match=r"82 K.*TLinear"):
        ThermalCamera("t", source=str(raw), rate_hz=9).open(time.time_ns)


def test_a_frame_out_of_range_is_passed_over_and_counted(tmp_path):
    """Breaks if a shutter frame of zeros becomes an embedding of absolute zero."""
    frames = warm(3)
    frames[1] = np.zeros_like(frames[1])
    path = str(write_gray16(tmp_path / "t.mkv", frames, 9))
    camera, samples = played_whole(lambda: ThermalCamera("t", source=path))
    assert len(samples) == 2
    assert camera.counters["out_of_range"] == 1


def test_float_celsius_is_refused_with_advice_that_works(tmp_path):
    """Breaks if Celsius pass as kelvin, or the option that the message names does nothing on
    float frames."""
    assert cv2.imwrite(str(tmp_path / "c.tiff"), np.full((48, 64), 22.5, np.float32))
    source = {"source": str(tmp_path / "c.tiff"), "rate_hz": 9}
    with pytest.raises(WrongFormat, match=r"seem to be Celsius; set kelvin_offset to 273\.15"):
        ThermalCamera("t", **source).open(time.time_ns)
    (sample,) = played(ThermalCamera("t", kelvin_offset=273.15, **source))
    assert np.allclose(sample.data, 295.65)


def test_lines_of_telemetry_are_noticed_and_can_be_cut(tmp_path):
    """Breaks if two lines of a Lepton's counters stretch the contrast of every picture."""
    frame = np.vstack([warm(1, 120, 160)[0], np.full((2, 160), 27300, np.uint16)])
    source = {"source": str(write_images(tmp_path / "%d.png", [frame])), "rate_hz": 9}
    with pytest.raises(WrongFormat, match=r"2 lines of telemetry: rows: 120 .*layout: lepton"):
        ThermalCamera("t", **source).open(time.time_ns)
    for rows, lines in ((120, frame[:120]), ([2, 122], frame[2:]), (122, frame)):
        (sample,) = played(ThermalCamera("t", rows=rows, **source))
        assert np.allclose(sample.data, lines / 100)
    with pytest.raises(WrongFormat, match="option rows 0 to 130 were asked for, got 122"):
        ThermalCamera("t", rows=130, **source).open(time.time_ns)


def test_frames_passed_over_say_why(tmp_path):
    """Breaks if a stream gives nothing for a while and no word tells the reason."""
    frames = warm(3)
    frames[1] = frames[2] = np.zeros_like(frames[1])
    camera = ThermalCamera("t", source=str(write_gray16(tmp_path / "t.mkv", frames, 9)))
    played(camera)
    assert "frames are passed over: the scene would be 0 K" in camera.why


@pytest.mark.parametrize(
    ("key", "value"),
    [("layout", "yuv"), ("kelvin_scale", 0), ("kelvin_offset", "C"), ("rows", [3, 2])],
)
def test_bad_options_are_named(key, value):
    """Breaks if `check` would let a scale pass that makes no sense."""
    with pytest.raises(ConfigError, match=f"option {key}"):
        ThermalCamera("t", **{"source": 0, key: value})
