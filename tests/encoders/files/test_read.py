"""Files are read as what they hold, or refused with a reason."""

from __future__ import annotations

import shutil
import subprocess
import wave

import cv2
import numpy as np
import pytest
from PIL import Image

from bindstream.errors import InvalidInput
from encoders.files import read as files

RNG = np.random.default_rng(0)


def write_wav(path, samples: np.ndarray, width: int, rate: int = 8000) -> None:
    """float (n, channels) in [-1, 1] as PCM of ``width`` bytes."""
    whole = np.round(samples * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    whole += 128 if width == 1 else 0
    content = b"".join(int(v).to_bytes(width, "little", signed=width > 1) for v in whole.flat)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_of_any_width_gives_its_first_channel(tmp_path, width):
    """Breaks if a width is misread, or channels are mixed (the reference takes the left one)."""
    samples = RNG.uniform(-0.9, 0.9, (400, 2))
    write_wav(tmp_path / "s.wav", samples, width)
    sound, rate = files.read_audio(tmp_path / "s.wav")
    assert rate == 8000
    assert sound.dtype == np.float32
    assert np.abs(sound - samples[:, 0]).max() <= 2.0 ** (2 - 8 * width) + 1e-6


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_other_sounds_come_by_ffmpeg(tmp_path):
    """Breaks if a phone's recording cannot be embedded though ffmpeg is there."""
    write_wav(tmp_path / "s.wav", 0.5 * np.sin(np.arange(16000) * 0.2)[:, None], 2, 16000)
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "s.wav"), str(tmp_path / "s.flac")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    sound, rate = files.read_audio(tmp_path / "s.flac")
    assert (rate, len(sound)) == (16000, 16000)
    assert np.abs(sound - files.read_audio(tmp_path / "s.wav")[0]).max() < 1e-3


def test_sounds_that_cannot_be_read_say_so(tmp_path, monkeypatch):
    """Breaks if junk becomes silence, or a missing ffmpeg is not named."""
    (tmp_path / "s.mp3").write_bytes(b"no sound")
    with pytest.raises(InvalidInput, match=r"s\.mp3: (no sound that ffmpeg reads|not PCM WAV)"):
        files.read_audio(tmp_path / "s.mp3")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InvalidInput, match="ffmpeg, which reads other sounds"):
        files.read_audio(tmp_path / "s.mp3")
    with pytest.raises(InvalidInput, match="no such file"):
        files.read_audio(tmp_path / "none.wav")


def test_videos_give_the_frames_asked_for(tmp_path):
    """Breaks if frames are counted wrong, or blue and red are swapped."""
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for n in range(12):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[..., 2] = 20 * n  # red
        writer.write(frame)
    writer.release()
    assert files.video_length(path) == (12, 10.0)
    frames = files.read_video(path, [3, 11, 3])
    assert frames.shape == (3, 48, 64, 3)
    assert np.abs(frames[:, 24, 32, 0].astype(int) - [60, 220, 60]).max() <= 3
    (tmp_path / "junk.mp4").write_bytes(b"junk")
    with pytest.raises(InvalidInput, match=r"junk\.mp4: not a video"):
        files.video_length(tmp_path / "junk.mp4")


def test_pictures_are_rgb_whatever_they_were(tmp_path):
    """Breaks if grey or transparent pictures reach the model with another shape."""
    for mode in ("L", "RGBA", "P", "RGB"):
        Image.new(mode, (8, 6), 3).save(tmp_path / f"{mode}.png")
        assert files.read_image(tmp_path / f"{mode}.png").shape == (6, 8, 3)
    (tmp_path / "junk.jpg").write_bytes(b"junk")
    with pytest.raises(InvalidInput, match=r"junk\.jpg: not a picture"):
        files.read_image(tmp_path / "junk.jpg")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_one_picture_of_several_is_not_embedded_in_silence(tmp_path, suffix):
    """Breaks if an animation or a TIFF of pages gives the vector of its first picture."""
    first, second = (Image.new("RGB", (8, 6), shade) for shade in ("black", "red"))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    with pytest.raises(InvalidInput, match=rf"a\.{suffix}: holds 2 pictures: save each"):
        files.read_image(tmp_path / f"a.{suffix}")


def test_a_phones_picture_may_hold_more_than_the_picture(tmp_path):
    """Breaks if a JPEG with a map of its brightness behind it, as phones save, is refused."""
    first, second = (Image.new("RGB", (8, 6), shade) for shade in ("red", "black"))
    first.save(tmp_path / "a.mpo", save_all=True, append_images=[second])
    (tmp_path / "a.mpo").rename(tmp_path / "a.jpg")
    assert files.read_image(tmp_path / "a.jpg").mean((0, 1)).round().tolist() == [254, 0, 0]


def test_depth_is_metres_from_either_kind_of_file(tmp_path):
    """Breaks if millimetres pass for metres, or a coloured picture for depth."""
    steps = RNG.integers(0, 6000, (6, 8), dtype=np.uint16)
    Image.fromarray(steps).save(tmp_path / "d.png")
    np.save(tmp_path / "d.npy", steps / 1000)
    from_picture = files.read_depth(tmp_path / "d.png")
    assert from_picture.dtype == np.float32
    assert np.allclose(from_picture, files.read_depth(tmp_path / "d.npy"))
    assert np.allclose(from_picture / 2, files.read_depth(tmp_path / "d.png", 0.0005))
    Image.new("RGB", (8, 6)).save(tmp_path / "colour.png")
    Image.new("L", (8, 6)).save(tmp_path / "grey.png")
    for name in ("colour.png", "grey.png"):
        with pytest.raises(InvalidInput, match=f"{name}: wants 16 bits per pixel"):
            files.read_depth(tmp_path / name)


def test_thermal_is_kelvin_or_the_cameras_own_picture(tmp_path):
    """Breaks if centikelvin pass for kelvin, or 8-bit pictures are refused."""
    steps = RNG.integers(28000, 31000, (6, 8), dtype=np.uint16)
    Image.fromarray(steps).save(tmp_path / "t.png")
    assert np.allclose(files.read_thermal(tmp_path / "t.png"), steps / 100)
    Image.new("RGB", (8, 6), (80, 80, 80)).save(tmp_path / "shown.png")
    assert np.allclose(files.read_thermal(tmp_path / "shown.png"), 80)


def test_imu_lies_either_way(tmp_path):
    """Breaks if time and channels are swapped."""
    signal = (RNG.normal(size=(6, 50)) + np.array([0, 0, 9.81, 0, 0, 0])[:, None]).astype("f4")
    np.save(tmp_path / "a.npy", signal)
    np.save(tmp_path / "b.npy", signal.T)
    np.savetxt(tmp_path / "c.csv", signal.T, delimiter=",", header="ax,ay,az,gx,gy,gz", comments="")
    np.savetxt(tmp_path / "d.csv", signal.T, delimiter=",")
    for name in ("a.npy", "b.npy", "c.csv", "d.csv"):
        assert np.allclose(files.read_imu(tmp_path / name), signal, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((5, 50)), "wants six columns.*got 5 without names"),
        (np.full((6, 50), np.nan), "50 of 50 readings hold values that are not finite"),
        (np.ones((6, 1)), "got 1 readings"),
    ],
)
def test_what_is_no_imu_is_refused(tmp_path, array, says):
    """Breaks if five columns or a gap reach the model."""
    np.save(tmp_path / "i.npy", array)
    with pytest.raises(InvalidInput, match=says):
        files.read_imu(tmp_path / "i.npy")


def test_pickled_arrays_are_refused(tmp_path):
    """Breaks if an array file can run code."""
    np.save(tmp_path / "i.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInput, match="not a NumPy array"):
        files.read_imu(tmp_path / "i.npy")


def test_an_array_is_no_sound(tmp_path):
    """Breaks if ffmpeg hears MP3 in a NumPy array, as it was seen to."""
    np.save(tmp_path / "a.npy", np.sin(np.arange(16_000)))
    with pytest.raises(InvalidInput, match=r"a\.npy: an array tells no rate: write it as WAV"):
        files.read_audio(tmp_path / "a.npy")
