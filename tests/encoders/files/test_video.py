"""A video's frames and times are what can be decoded, whatever its header tells."""

from __future__ import annotations

import shutil
import subprocess

import cv2
import numpy as np
import pytest

from bindstream.errors import InvalidInput
from encoders.files.clips import clip_frames, clip_frames_at
from encoders.files.video import read_video, timeline


def play(path, rate_hz: float, count: int = 40):
    """Grey frames that grow brighter by 5 each."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate_hz, (64, 48))
    for n in range(count):
        writer.write(np.full((48, 64, 3), 5 * n, np.uint8))
    writer.release()
    return path


def spoil(path, *frames: int):
    """Overwrite those frames' JPEGs with zeros."""
    raw = bytearray(path.read_bytes())
    starts = [i for i in range(len(raw) - 2) if raw[i : i + 3] == b"\xff\xd8\xff"]
    for n in frames:
        end = starts[n + 1] - 16
        raw[starts[n] : end] = bytes(end - starts[n])
    path.write_bytes(raw)
    return path


def test_a_bad_frame_is_not_the_end(tmp_path):
    """Breaks if one unreadable JPEG of forty ends the video, as a failed read taken for the end."""
    path = spoil(play(tmp_path / "v.avi", 10.0), 10, 20, 21)
    found = timeline(path)
    assert found.count == 37
    assert found.times_s is not None  # a twentieth of it is lost: its times tell where
    assert found.times_s[-1] == pytest.approx(3.9)
    frames = read_video(path, [9, 10, 36])
    assert np.abs(frames[:, 24, 32, 0].astype(int) - [45, 55, 195]).max() <= 4


def test_an_absurd_rate_is_refused_unless_the_true_one_is_stated(tmp_path):
    """Breaks if a header of 1000 frames per second turns 4 s into one clip of 0.04 s."""
    path = play(tmp_path / "v.avi", 1000.0)
    with pytest.raises(InvalidInput, match=r"v\.avi: tells 1000 .*--video-rate-hz"):
        timeline(path)
    assert (timeline(path, 10.0).count, timeline(path, 10.0).rate_hz) == (40, 10.0)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_frames_times_outweigh_a_rate_that_disagrees(tmp_path):
    """Breaks if a WebM whose header tells five times the rate is cut in its first second."""
    play(tmp_path / "v.avi", 9.8)
    to_webm = ["-c:v", "libvpx", "-r", "1000", "-fps_mode", "vfr", str(tmp_path / "v.webm")]
    command = ["ffmpeg", "-v", "error", "-r", "9.8", "-i", str(tmp_path / "v.avi"), *to_webm]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    told = cv2.VideoCapture(str(tmp_path / "v.webm")).get(cv2.CAP_PROP_FPS)
    assert not 9 < told < 11, "this ffmpeg tells the truth: the case is gone"
    found = timeline(tmp_path / "v.webm")
    assert found.count == 40
    assert found.rate_hz == pytest.approx(9.8, rel=0.01)
    assert found.times_s is not None
    assert clip_frames_at(found.times_s, 5) == clip_frames(40, 9.8, 5)


def test_an_ordinary_video_goes_by_its_rate_as_the_reference_does(tmp_path):
    """Breaks if milliseconds of rounding in the times move a clip's frame."""
    assert timeline(play(tmp_path / "v.avi", 29.97)).times_s is None
