"""Depth frames of 16 bits, bit for bit, from real files; what is not depth is refused."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from bindstream.errors import ConfigError, WrongFormat
from bindstream.types import DepthMeta
from sensors.depth import DepthCamera
from tests.devices.reading import played, played_whole
from tests.devices.video_files import write_gray8, write_gray16, write_images, write_rgb

OPTICS = {"fx_px": 380.0, "baseline_m": 0.05}


def counts(n=5, height=48, width=64):
    """Millimetres of all sizes, each frame another, with holes."""
    frames = np.random.default_rng(3).integers(1, 65535, (n, height, width), np.uint16)
    frames[:, :4] = 0
    frames[:, 4:] %= 9000
    return list(frames)


def test_ffv1_gray16_is_bit_exact(tmp_path):
    """Breaks if OpenCV turns 16 bits into 8 (its default), or the scale is off."""
    frames = counts()
    path = write_gray16(tmp_path / "d.mkv", frames, 10)
    _, samples = played_whole(lambda: DepthCamera("d", source=str(path), rate_hz=10, **OPTICS))
    assert len(samples) == 5
    for sample, frame in zip(samples, frames, strict=True):
        assert sample.data.dtype == np.float32
        assert np.array_equal(np.rint(sample.data * 1000).astype(np.uint16), frame)
        assert sample.meta == DepthMeta(380.0, 0.05)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_pictures_are_bit_exact(tmp_path, suffix):
    """Breaks if pictures are read with any flag that converts."""
    frames = counts(3)
    pattern = write_images(tmp_path / f"%03d.{suffix}", frames)
    _, samples = played_whole(lambda: DepthCamera("d", source=str(pattern), rate_hz=20, **OPTICS))
    for sample, frame in zip(samples, frames, strict=True):
        assert np.array_equal(sample.data, frame.astype(np.float32) * np.float32(0.001))


def test_float_tiff_is_metres_with_its_holes_closed(tmp_path):
    """Breaks if float metres are scaled as counts, or NaN reaches the encoder."""
    frame = np.linspace(0.5, 3, 48 * 64, dtype=np.float32).reshape(48, 64)
    frame[0, :3] = np.nan, np.inf, -1
    assert cv2.imwrite(str(tmp_path / "f0.tiff"), frame)
    (sample,) = played(DepthCamera("d", source=str(tmp_path / "f%d.tiff"), rate_hz=20, **OPTICS))
    assert sample.data[0, :3].tolist() == [0, 0, 0]
    assert np.array_equal(sample.data[1:], frame[1:])


def test_8_bit_and_colour_are_refused(tmp_path):
    """Breaks if a colour camera by mistake is read as depth."""
    grey = [np.full((48, 64), 9, np.uint8)] * 3
    sources = {
        write_gray8(tmp_path / "g.mkv", grey): "8-bit",
        write_rgb(tmp_path / "c.mkv", [np.zeros((48, 64, 3), np.uint8)] * 3): "8-bit",
        write_images(tmp_path / "g%d.png", grey): "8-bit",
        write_images(tmp_path / "c%d.png", [np.zeros((48, 64, 3), np.uint16)]): "one-channel",
    }
    for source, said in sources.items():
        camera = DepthCamera("d", source=str(source), rate_hz=30, **OPTICS)
        for _ in range(2):
            with pytest.raises(WrongFormat, match=f"wanted 16-bit.*{said}|one-channel"):
                camera.open(time.time_ns)


def test_a_wrong_scale_is_noticed(tmp_path):
    """Breaks if millimetres taken for metres (a room of 3 km) pass as depth."""
    path = write_images(tmp_path / "%d.png", [np.full((48, 64), 3000, np.uint16)])
    with pytest.raises(WrongFormat, match="scale_m"):
        DepthCamera("d", source=str(path), rate_hz=1, scale_m=1.0, **OPTICS).open(time.time_ns)


def test_a_frame_of_holes_alone_is_a_frame(tmp_path):
    """Breaks if a covered lens is an error."""
    path = write_images(tmp_path / "%d.png", [np.zeros((48, 64), np.uint16)])
    (sample,) = played(DepthCamera("d", source=str(path), rate_hz=9, **OPTICS))
    assert not sample.data.any()


@pytest.mark.parametrize(
    ("key", "value"), [("fx_px", 0), ("baseline_m", 50), ("scale_m", -1), ("invalid", "x")]
)
def test_bad_options_are_named(key, value):
    """Breaks if `check` would let optics pass that make no sense."""
    with pytest.raises(ConfigError, match=f"option {key}"):
        DepthCamera("d", **({"source": 0} | OPTICS | {key: value}))


def test_float_millimetres_are_refused_with_advice_that_works(tmp_path):
    """Breaks if float millimetres pass as metres, or the option that the message names does
    nothing on float frames."""
    frame = np.full((48, 64), 2150.0, np.float32)
    assert cv2.imwrite(str(tmp_path / "f.tiff"), frame)
    source = {"source": str(tmp_path / "f.tiff"), "rate_hz": 20} | OPTICS
    with pytest.raises(WrongFormat, match=r"millimetres.*set it to 0\.001"):
        DepthCamera("d", **source).open(time.time_ns)
    (sample,) = played(DepthCamera("d", scale_m=0.001, **source))
    assert np.allclose(sample.data, 2.15)


def test_the_count_for_nothing_is_a_hole(tmp_path):
    """Breaks if 65535 is measured as 65.5 m, or another camera's count cannot be stated."""
    frame = np.full((48, 64), 2000, np.uint16)
    frame[0, 0], frame[0, 1] = 65535, 4095
    source = write_images(tmp_path / "%d.png", [frame])
    asked = {"source": str(source), "rate_hz": 9} | OPTICS
    (sample,) = played(DepthCamera("d", **asked))
    assert np.allclose(sample.data[0, :3], [0, 4.095, 2])
    (sample,) = played(DepthCamera("d", invalid=4095, **asked))
    assert np.allclose(sample.data[0, :3], [65.535, 0, 2])
    (sample,) = played(DepthCamera("d", invalid=None, **asked))
    assert np.allclose(sample.data[0, :3], [65.535, 4.095, 2])
