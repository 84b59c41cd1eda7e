"""Sound of audio_common's topics: forms, rates, and what is none."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bindstream.errors import WrongFormat
from sensors.ros2.driver import Ros2
from tests.devices import ros2_robot as robot
from tests.devices.reading import read_for

PLAIN, STAMPED = "audio_common_msgs/msg/AudioData", "audio_common_msgs/msg/AudioDataStamped"
TONE_HZ = 440.0


def chunk(n, rate_hz, form, channels=1, seconds=0.02):
    """The n-th piece of a tone of half the full scale."""
    count = round(rate_hz * seconds)
    at = (np.arange(count) + n * count) / rate_hz
    tone = 0.5 * np.sin(2 * np.pi * TONE_HZ * at)
    scaled = {"S16LE": (tone * 32767).astype("<i2"), "F32LE": tone.astype("<f4")}[form]
    return np.repeat(scaled, channels).tobytes()


@pytest.mark.parametrize(
    ("kind", "rate_hz", "channels", "form"),
    [
        (PLAIN, 16_000, 1, "S16LE"),
        (STAMPED, 48_000, 2, "S16LE"),
        (PLAIN, 44_100, 1, "F32LE"),
    ],
)
def test_a_tone_stays_a_tone(router, kind, rate_hz, channels, form):
    """Breaks if rate, channels or the form of samples are misread: the tone would be another."""

    def make(n):
        data = chunk(n, rate_hz, form, channels)
        return robot.audio(data, time.time_ns() if kind == STAMPED else None)

    with (
        robot.Publisher(router.address, "/audio", kind) as publisher,
        robot.Talker(publisher, 50.0, make),
    ):
        driver = Ros2(
            "ear",
            topic="/audio",
            modality="audio",
            router=router.address,
            sound_rate_hz=rate_hz,
            channels=channels,
            sample_format=form,
        )
        driver.open(time.time_ns)
        samples = read_for(driver, 1.5)
        driver.close()
    heard = np.concatenate([s.data for s in samples])
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(np.argmax(spectrum) * 16_000 / len(heard) - TONE_HZ) < 2.0
    assert 0.49 < np.abs(heard).max() < 0.52
    assert driver.counters["bad"] == 0


def sounding(router, make, kind=PLAIN, per_s=50.0):
    """The error with which opening a topic of such messages ends."""
    with (
        robot.Publisher(router.address, "/audio", kind) as publisher,
        robot.Talker(publisher, per_s, make),
    ):
        driver = Ros2("ear", topic="/audio", modality="audio", router=router.address)
        with pytest.raises(WrongFormat) as caught:
            driver.open(time.time_ns)
    return str(caught.value)


def test_another_rate_is_refused(router):
    """Breaks if sound of 48 kHz is taken for 16 kHz: its messages do not say it."""
    said = sounding(router, lambda n: robot.audio(chunk(n, 48_000, "S16LE")))
    assert "set sound_rate_hz" in said
    assert "S16LE at 16000 Hz, channels: 1" in said


def test_mp3_is_refused_with_what_to_do(router):
    """Breaks if audio_capture's default, MP3, is played as noise."""
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    said = sounding(router, lambda n: robot.audio(frame), per_s=38.0)
    assert "MP3: launch audio_capture with format:=wave" in said
