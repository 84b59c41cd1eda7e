"""A folder of plain files, as people have them: pictures, WAV, CSV."""

from __future__ import annotations

import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from bindstream.errors import ConfigError
from bindstream.types import Modality, Sample
from sensors.recording.folder import LACKS_RATE, LACKS_UNITS, NOWHEN_NS, Units, time_of
from sensors.recording.opening import opened
from sensors.ros2.unpacking import Reading

START_NS = 1_700_000_000 * 10**9
G = 9.80665


def read(path: Path, name: str, **how) -> list[Sample]:
    found = opened(path, **how)
    track = next(t for t in found.tracks() if t.stream == name)
    samples = found.samples(track, Reading(name, track.modality), pytest.fail)
    return [sample for sample in samples if sample]


def wav(path: Path, samples: np.ndarray, rate: int = 8000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A camera with times, a microphone and an IMU without."""
    (tmp_path / "front").mkdir()
    for n in range(10):
        picture = np.full((6, 8, 3), (10, 20, 200 + n), np.uint8)  # OpenCV's order
        cv2.imwrite(str(tmp_path / "front" / f"{1_700_000_000 + n / 10:.3f}.png"), picture)
    wav(tmp_path / "ears.wav", np.arange(4000))
    lines = ["t_s,ax_g,ay_g,az_g,gx_deg/s,gy_deg/s,gz_deg/s"]
    lines += [f"{5 + n / 100},0,0,1,{n},0,0" for n in range(100)]
    (tmp_path / "imu.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_folder_is_a_recording(drive):
    """Breaks if pictures, sound or readings come with other times, units, rates or colours than
    the files say; or each begins at a time of its own."""
    found = opened(drive)
    assert {t.stream: (str(t.modality), round(t.rate_hz)) for t in found.tracks()} == {
        "front": ("vision", 10),
        "ears": ("audio", 8000),
        "imu": ("imu", 0),
    }
    assert found.starts_ns == START_NS
    seen = read(drive, "front")
    assert [s.t_ns for s in seen] == [START_NS + n * 100_000_000 for n in range(10)]
    assert [tuple(s.data[0, 0]) for s in seen] == [(200 + n, 20, 10) for n in range(10)]
    heard = read(drive, "ears")
    assert heard[0].t_ns == START_NS
    assert np.array_equal(
        np.concatenate([s.data for s in heard]), np.float32(np.arange(4000) / 32768)
    )
    assert heard[1].t_ns - heard[0].t_ns == len(heard[0].data) * 10**9 // 8000
    felt = read(drive, "imu")
    assert [s.t_ns for s in felt] == [START_NS + n * 10_000_000 for n in range(100)]
    assert felt[0].data[2] == pytest.approx(G)
    assert felt[90].data[3] == pytest.approx(np.pi / 2)


def test_numbered_pictures_need_a_rate(tmp_path):
    """Breaks if pictures are played at a rate that nobody stated, or 10 comes before 9."""
    for n in range(12):
        cv2.imwrite(str(tmp_path / f"frame{n}.png"), np.full((4, 4, 3), n, np.uint8))
    (track,) = opened(tmp_path).tracks()
    assert track.lacks == LACKS_RATE
    seen = read(tmp_path, track.stream, rate_hz=4.0)
    assert [s.data[0, 0, 0] for s in seen] == list(range(12))
    assert [s.t_ns - NOWHEN_NS for s in seen] == [n * 250_000_000 for n in range(12)]


def test_a_table_without_units_needs_them(tmp_path):
    """Breaks if g is taken for m/s2 because nobody said."""
    (tmp_path / "imu.csv").write_text("t,ax,ay,az,gx,gy,gz\n0,0,0,1,0,0,0\n0.01,0,0,1,0,0,0\n")
    (track,) = opened(tmp_path).tracks()
    assert track.lacks == LACKS_UNITS
    stated = read(tmp_path, "imu", units=Units("g", "rad/s"))
    assert stated[1].data[2] == pytest.approx(G)
    assert stated[1].t_ns - stated[0].t_ns == 10_000_000


def test_a_line_that_is_no_reading_is_told_with_its_number(tmp_path):
    """Breaks if a damaged line ends the stream, or nobody learns which it was."""
    text = "t_s,ax_m/s2,ay_m/s2,az_m/s2,gx_rad/s,gy_rad/s,gz_rad/s\n0,0,0,9.8,0,0,0\n0.1,x\n"
    (tmp_path / "imu.csv").write_text(text + "0.2,0,0\n0.3,0,0,9.8,0,0,0\n")
    found = opened(tmp_path)
    (track,) = found.tracks()
    refused: list[Exception] = []
    reading = Reading("imu", Modality.IMU)
    assert len([s for s in found.samples(track, reading, refused.append) if s]) == 2
    assert ["line 3" in str(refused[0]), "line 4" in str(refused[1])] == [True, True]


@pytest.mark.parametrize(
    ("name", "t_ns"),
    [
        ("1403636579763555584", 1403636579763555584),
        ("1403636579763555", 1403636579763555000),
        ("1403636579763", 1403636579763000000),
        ("1305031102.175304", 1305031102175304000),
        ("1305031102", 1305031102000000000),
        ("000123", None),
        ("frame_1305031102", None),
    ],
)
def test_a_name_that_is_a_time(name, t_ns):
    """Breaks if EuRoC's nanoseconds or TUM's seconds are taken for each other, or a number for a
    time."""
    assert time_of(Path(f"{name}.png")) == t_ns


def test_sixteen_bits_are_depth(tmp_path):
    """Breaks if measures are shown as a picture."""
    cv2.imwrite(str(tmp_path / "1700000000.0.png"), np.full((4, 4), 1500, np.uint16))
    (track,) = opened(tmp_path).tracks()
    assert track.modality is Modality.DEPTH
    assert "fx_px" in track.lacks
    (sample,) = read(tmp_path, track.stream)
    assert np.allclose(sample.data, 1.5)


def test_a_picture_of_several_among_others_is_told(tmp_path):
    """Breaks if all pages of a TIFF but the first are left out of a replay without a word."""
    frames = [np.full((9, 9), 1500 + n, np.uint16) for n in range(3)]
    for n in (0, 2):
        cv2.imwrite(str(tmp_path / f"{1_700_000_000 + n}.0.tif"), frames[n])
    cv2.imwritemulti(str(tmp_path / "1700000001.0.tif"), frames)
    found = opened(tmp_path)
    (track,) = found.tracks()
    refused: list[Exception] = []
    reading = Reading(track.stream, Modality.DEPTH)
    assert len([s for s in found.samples(track, reading, refused.append) if s]) == 2
    assert "1700000001.0.tif: holds 3 pictures: save each" in str(refused[0])


def test_a_folder_of_nothing_and_a_wav_that_is_none_are_refused(tmp_path):
    """Breaks if they end in a traceback, or in a replay of nothing."""
    with pytest.raises(ConfigError, match="holds no recording"):
        opened(tmp_path)
    (tmp_path / "ears.wav").write_bytes(b"RIFF")
    with pytest.raises(ConfigError, match=r"ears\.wav"):
        opened(tmp_path).tracks()
