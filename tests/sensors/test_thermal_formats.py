"""Thermal cameras by maker, to a tenth of a kelvin, on frames built from their data sheets."""

from __future__ import annotations

import contextlib
import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream import flir
from bindstream.errors import ConfigError, InvalidInput, WrongFormat
from sensors import lepton
from sensors.stillness import Stillness
from sensors.thermal import ThermalCamera
from tests.devices import thermal_frames as frames
from tests.devices.reading import played, played_whole
from tests.devices.thermal_frames import scenery
from tests.devices.video_files import write_gray16, write_images


def error_k(kelvin, wanted):
    """The greatest."""
    return float(np.abs(np.asarray(kelvin, np.float64) - wanted).max())


@pytest.mark.parametrize(("height", "width"), [(60, 80), (120, 160)])
@pytest.mark.parametrize("low_gain", [False, True])
@pytest.mark.parametrize("above", [False, True])
def test_a_leptons_telemetry_is_told_apart_and_read(tmp_path, height, width, low_gain, above):
    """Breaks if lines of numbers are taken for heat, low gain is read as a tenth of it, or
    telemetry above the picture shifts it."""
    wanted = scenery(height, width)
    sent = [
        frames.lepton(wanted, uptime_ms=70_000 + 111 * n, frame=n, low_gain=low_gain, above=above)
        for n in range(3)
    ]
    path = str(write_gray16(tmp_path / "l.mkv", sent, 9))
    _, samples = played_whole(lambda: ThermalCamera("t", source=path, layout="lepton"))
    assert len(samples) == 3
    assert samples[0].data.shape == (height, width)
    assert error_k(samples[0].data, wanted) <= 0.1
    _, told = lepton.split(sent[2])
    assert (told.uptime_ms, told.frame, told.tlinear) == (70_222, 2, True)
    assert told.resolution_k == (0.1 if low_gain else 0.01)
    assert told.fpa_k == 305.0


def test_a_lepton_without_telemetry_is_a_lepton(tmp_path):
    """Breaks if a board whose telemetry is off needs another layout."""
    wanted = scenery(120, 160)
    path = write_images(tmp_path / "%d.png", [np.rint(wanted * 100).astype(np.uint16)])
    (sample,) = played(ThermalCamera("t", source=str(path), rate_hz=9, layout="lepton"))
    assert error_k(sample.data, wanted) <= 0.1


def test_a_lepton_says_that_tlinear_is_off(tmp_path):
    """Breaks if counts of a bolometer, 8000 or so, become 80 K and the advice is another scale."""
    frame = frames.lepton(scenery(120, 160), tlinear=False)
    source = str(write_images(tmp_path / "%d.png", [frame]))
    with pytest.raises(WrongFormat, match=r"'t': the camera says that TLinear is off"):
        ThermalCamera("t", source=source, rate_hz=9, layout="lepton").open(time.time_ns)
    low = frames.lepton(scenery(120, 160), low_gain=True)
    source = str(write_images(tmp_path / "low%d.png", [low]))
    with pytest.raises(WrongFormat, match=r"a count is 0\.1 K, option kelvin_scale 0\.01"):
        ThermalCamera("t", source=source, rate_hz=9, layout="lepton", kelvin_scale=0.01).open(
            time.time_ns
        )


def test_a_leptons_shutter_and_repeated_frames_are_passed_over(tmp_path):
    """Breaks if each frame of a 9 Hz sensor is embedded three times, or its shutter is a scene."""
    wanted = scenery(60, 80)
    told = [(0, 1, False), (0, 1, False), (111, 2, True), (222, 3, False)]
    sent = [frames.lepton(wanted, uptime_ms=ms, frame=n, shutter=s) for ms, n, s in told]
    path = str(write_gray16(tmp_path / "l.mkv", sent, 9))
    camera, samples = played_whole(lambda: ThermalCamera("t", source=path, layout="lepton"))
    assert len(samples) == 2
    assert camera.counters["repeated"] == 1
    assert camera.counters["shutter"] == 1
    assert camera.counters["out_of_range"] == 0


def test_a_frame_that_is_no_leptons_says_what_is_wanted(tmp_path):
    """Breaks if another camera's frames are cut as a Lepton's."""
    big = str(write_images(tmp_path / "%d.png", [np.full((512, 640), 29500, np.uint16)]))
    with pytest.raises(WrongFormat, match=r"160x120 or 160x122, got 640x512"):
        ThermalCamera("t", source=big, rate_hz=9, layout="lepton").open(time.time_ns)
    odd = str(write_images(tmp_path / "o%d.png", [np.full((122, 160), 29500, np.uint16)]))
    with pytest.raises(WrongFormat, match="neither the first nor the last"):
        ThermalCamera("t", source=odd, rate_hz=9, layout="lepton").open(time.time_ns)


def test_a_p2pro_to_a_tenth(tmp_path):
    """Breaks if the picture above is taken for heat, or a count is not 1/64 K."""
    wanted = scenery(192, 256)
    path = write_gray16(tmp_path / "p.mkv", [frames.p2pro(wanted)] * 2, 25)
    _, samples = played_whole(lambda: ThermalCamera("t", source=str(path), layout="p2pro"))
    assert samples[0].data.shape == (192, 256)
    assert error_k(samples[0].data, wanted) <= 0.1


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("stored", ["raw", "png", "swapped png"])
def test_a_radiometric_jpegs_counts_come_whole(order, stored):
    """Breaks if records are read in one byte order alone, segments are put together wrongly, or a
    camera that swaps its PNG's bytes gives noise."""
    counts = frames.seen(scenery(240, 320))
    png = frames.png16(counts, swapped="swapped" in stored) if "png" in stored else None
    data = frames.radiometric_jpeg(frames.fff(counts, order=order, stored=png), chunk=20_000)
    found = flir.radiometric(data, frames.decoded)
    assert found is not None
    assert np.array_equal(found.counts, counts)
    assert error_k(found.kelvin(), scenery(240, 320)) <= 0.1


def test_emissivity_reflection_and_air_are_taken_off():
    """Breaks if a term of the measurement formula is left out or has the wrong sign: each alone
    moves temperature by kelvins."""
    wanted = scenery(48, 64, 290.0, 400.0)
    air = frames.transmission(20.0, 30.0, 0.7)
    assert 0.8 < air < 0.99
    counts = frames.seen(wanted, emissivity=0.8, air=air, reflected_k=320.0, air_k=303.15)
    scene = {0x20: 0.8, 0x24: 20.0, 0x28: 320.0, 0x2C: 303.15, 0x3C: 0.7}
    found = flir.radiometric(frames.fff(counts, scene=scene), frames.decoded)
    assert error_k(found.kelvin(), wanted) <= 0.1
    bare = flir.kelvin(counts, found.planck)
    assert error_k(bare, wanted) > 2


def test_humidity_may_be_percent():
    """Breaks if 70 % is 70 times all the water that air can hold."""
    counts = frames.seen(scenery(24, 32))
    found = flir.radiometric(frames.fff(counts, scene={0x24: 20.0, 0x3C: 70.0}), frames.decoded)
    assert found.scene.humidity == pytest.approx(0.7)


def test_radiometric_jpegs_are_frames_of_the_driver(tmp_path):
    """Breaks if OpenCV's false colours are taken, and refused, in place of the counts beneath."""
    wanted = scenery(240, 320)
    for n in range(2):
        data = frames.radiometric_jpeg(frames.fff(frames.seen(wanted)))
        (tmp_path / f"ir_{n}.jpg").write_bytes(data)
    _, samples = played_whole(
        lambda: ThermalCamera("t", source=str(tmp_path / "ir_%d.jpg"), rate_hz=9)
    )
    assert len(samples) == 2
    assert error_k(samples[0].data, wanted) <= 0.1


def test_a_damaged_radiometric_jpeg_costs_its_frame(tmp_path):
    """Breaks if one bad file ends the stream, or the first one's reason is not told."""
    good = frames.radiometric_jpeg(frames.fff(frames.seen(scenery(240, 320))))
    for n, data in enumerate([good, good[:30_000], good]):
        (tmp_path / f"ir_{n}.jpg").write_bytes(data)
    source = str(tmp_path / "ir_%d.jpg")
    camera, samples = played_whole(lambda: ThermalCamera("t", source=source, rate_hz=9))
    assert len(samples) == 2
    assert camera.counters["bad"] == 1
    alone = ThermalCamera("t", source=str(tmp_path / "ir_1.jpg"), rate_hz=9)
    with pytest.raises(WrongFormat, match=r"ir_1\.jpg is a damaged radiometric JPEG"):
        alone.open(time.time_ns)


def test_counts_of_radiation_take_their_constants(tmp_path):
    """Breaks if a TIFF of FLIR counts can only be read as if they were linear."""
    wanted = scenery(120, 160)
    path = write_images(tmp_path / "%d.tiff", [frames.seen(wanted)])
    (sample,) = played(ThermalCamera("t", source=str(path), rate_hz=9, planck=dict(frames.PLANCK)))
    assert error_k(sample.data, wanted) <= 0.1


@pytest.mark.parametrize(
    "options",
    [{"planck": {"r1": 1}}, {"planck": [1, 2, 3, 4, 5]}, {"planck": dict(frames.PLANCK, b=0)},
     {"planck": dict(frames.PLANCK), "kelvin_scale": 0.01}],
)  # fmt: skip
def test_constants_that_are_none_are_refused(options):
    """Breaks if `check` lets constants pass that make every temperature wrong."""
    with pytest.raises(ConfigError, match=r"'t': option (planck|kelvin_scale)"):
        ThermalCamera("t", source=0, **options)


def test_a_jpeg_that_is_not_radiometric_is_none():
    """Breaks if every picture of a folder is looked at as FLIR's."""
    plain = frames.radiometric_jpeg(b"")
    assert flir.radiometric(plain, frames.decoded) is None
    assert flir.radiometric(b"\x89PNG", frames.decoded) is None


@settings(deadline=None)
@given(cut=st.integers(0, 6000), at=st.integers(0, 6000), value=st.integers(0, 255))
def test_damage_is_one_clear_error(cut, at, value):
    """Breaks if a damaged file ends in anything but InvalidInput."""
    counts = frames.seen(scenery(24, 32))
    data = bytearray(frames.radiometric_jpeg(frames.fff(counts), chunk=1000))
    data[min(at, len(data) - 1)] = value
    for damaged in (bytes(data), bytes(data[:cut])):
        with contextlib.suppress(InvalidInput):
            found = flir.radiometric(damaged, frames.decoded)
            assert found is None or found.kelvin().shape == found.counts.shape


def test_a_png_of_eight_bits_is_refused():
    """Breaks if false colours inside a file are taken for counts."""
    counts = frames.seen(scenery(24, 32))
    png = frames.png16((counts >> 8).astype(np.uint8), swapped=False)
    with pytest.raises(InvalidInput, match=r"uint8 \(24, 32\), wanted uint16"):
        flir.radiometric(frames.fff(counts, stored=png), frames.decoded)


def test_a_frozen_source_is_told_from_a_living_one():
    """Breaks if a source that repeats its last frame passes for live, or noise for frozen."""
    draw = np.random.default_rng(3)
    live, frozen = Stillness(), Stillness()
    still = draw.integers(0, 255, (48, 64), np.uint8)
    for n in range(30):
        live.see(draw.integers(0, 255, (48, 64), np.uint8), n * 100_000_000)
        frozen.see(still.copy(), n * 100_000_000)
    assert (live.stale, live.why(10.0)) == (0, "")
    assert frozen.stale == 29
    assert "for 2.9 s: the source is frozen" in frozen.why(10.0)
    assert frozen.stalled_s(1.0) == 0.0  # three periods are not over
    other = still.copy()
    other[1, 1] ^= 1  # between the lines that are compared first
    frozen.see(other, 3_000_000_000)
    assert frozen.why(10.0) == ""


def test_a_repeat_or_two_are_no_freeze():
    """Breaks if a camera of 30 Hz that gives each picture twice is called frozen."""
    seen = Stillness()
    for n, picture in enumerate(itertools.chain.from_iterable([k, k] for k in range(40))):
        seen.see(np.full((16, 16), picture, np.uint8), n * 33_000_000)
        assert seen.why(30.0) == ""
    assert seen.stale == 40
