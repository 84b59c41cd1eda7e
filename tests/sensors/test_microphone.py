"""The microphone through PyAudio, PortAudio, ALSA and a real PulseAudio daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from bindstream.errors import ConfigError, DeviceLost, DeviceUnavailable, WrongFormat
from sensors.microphone import Microphone
from tests.devices.pulse import DEVICE, pcm16, write_wav
from tests.devices.reading import first, read_for, until_lost
from tests.patience import Stalls

pytestmark = pytest.mark.daemon


@pytest.fixture
def opened(pulse, opens):
    """Opens microphones."""
    return lambda **options: opens(Microphone("mic", **({"device": DEVICE} | options)))


def bell(seconds=1.5, rate_hz=48000):
    """A sound that is like itself at no other time: noise of speech's band, with a swell."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    tones = sum(np.sin(2 * np.pi * f * t**1.3 + f) for f in (180, 410, 990, 1730))
    return (0.2 * tones * np.hanning(len(t))).astype(np.float32)


def likeness(heard, played):
    """The normalised cross correlation at the best shift."""
    size = 1 << (len(heard) + len(played)).bit_length()
    shifted = np.fft.irfft(np.fft.rfft(heard, size) * np.fft.rfft(played, size).conj(), size)
    summed = np.concatenate([[0.0], np.cumsum(np.square(heard, dtype=np.float64))])
    energy = summed[len(played) :] - summed[: -len(played)]
    best = int(np.argmax(shifted[: len(energy)]))
    return shifted[best] / np.sqrt(energy[best] * np.square(played).sum())


@pytest.mark.parametrize("options", [{}, {"rate_hz": 44100, "channels": 2}])
def test_what_is_played_is_what_is_heard(pulse, opened, tmp_path, options):
    """Breaks if samples are lost, mixed or resampled wrongly, at any rate of the device."""
    microphone = opened(**options)
    t = np.arange(int(1.5 * 16000)) * 3
    for _ in range(5):  # a player or a sound server that had no time tears the sound itself
        heard, took_s = undisturbed(lambda: recorded(pulse, microphone, tmp_path), microphone)
        if likeness(heard, bell()[t]) > 0.98:
            break
    assert heard.dtype == np.float32
    assert len(heard) == pytest.approx(took_s * 16000, rel=0.1)
    assert likeness(heard, bell()[t]) > 0.98


def recorded(pulse, microphone, folder):
    """What is heard while the bell is played, and for how many seconds it was listened."""
    read_for(microphone, 0.05)  # what waited
    begun_s = time.monotonic()
    pulse.play(write_wav(folder / "bell.wav", bell()))
    samples = read_for(microphone, 2.8)
    return np.concatenate([s.data for s in samples]), time.monotonic() - begun_s


def test_a_click_is_stamped_within_the_documented_latency(pulse, opened):
    """Breaks if the times are off by the wake-up of the sound server, or by its backlog."""
    microphone = opened()
    with Stalls() as stalls:
        delays_ms = undisturbed(lambda: click_delays_ms(pulse, microphone), microphone)
    # 100 ms: the player's own buffer and the sink's, which no recorder can know.
    late_ms = 3e3 * stalls.worst_s()  # player, sound server and this process, each for itself
    assert -50 < np.median(delays_ms) < microphone.latency_ms + 100 + late_ms


def undisturbed(measure, microphone):
    """A sound server that had no time for 0.8 s is a loss to the driver, rightly: measure again."""
    for _ in range(5):
        try:
            return measure()
        except DeviceLost:
            microphone.close()
            microphone.open(time.time_ns)
    return measure()


def click_delays_ms(pulse, microphone):
    player = pulse.open_player()
    silence, click = np.zeros(480, np.float32), np.zeros(480, np.float32)
    click[:48] = 0.9
    clicked_ns, samples, start_s = [], [], time.monotonic()
    for index in range(250):  # 10 ms of sound every 10 ms
        if index % 50 == 49:
            clicked_ns.append(time.time_ns())
        player.stdin.write(pcm16(click if index % 50 == 49 else silence))
        player.stdin.flush()
        while time.monotonic() < start_s + (index + 1) * 0.01:
            samples += microphone.read(0.002)
    heard_ns, until_s = loud_ns(samples), time.monotonic() + 20
    while not (len(heard_ns) and heard_ns[-1] > clicked_ns[-1] - 100e6):
        if time.monotonic() > until_s:  # a player that had no time tears the sound itself
            raise DeviceLost("mic", "the last click was never heard")
        samples += microphone.read(0.2)
        heard_ns = loud_ns(samples)
    return [(heard_ns[heard_ns > c - 100e6][0] - c) / 1e6 for c in clicked_ns]


def loud_ns(samples):
    """When it was loud, of all that was heard."""
    loud = [s.t_ns + np.flatnonzero(np.abs(s.data) > 0.3) * 62_500 for s in samples]
    return np.concatenate([np.zeros(0), *loud])


def test_a_killed_daemon_is_lost_and_a_new_one_is_found(pulse, opened):
    """Breaks if the end of the sound server goes unseen, or needs a restart of ours."""
    microphone = opened()
    pulse.signal(signal.SIGKILL)
    started = time.monotonic()
    with Stalls() as stalls, pytest.raises(DeviceLost, match="no sound"):
        until_lost(microphone)
    assert time.monotonic() - started < 2 + stalls.lost_s()
    microphone.close()
    with pytest.raises(DeviceUnavailable):
        microphone.open(time.time_ns)
    pulse.start()
    microphone.open(time.time_ns)
    assert first(microphone)


def test_a_sink_that_goes_away_is_lost(pulse, opened):
    """Breaks if an unplugged sound card goes unseen."""
    microphone = opened()
    pulse.control("unload-module", "module-null-sink")
    with pytest.raises(DeviceLost):
        until_lost(microphone)


def test_a_stream_that_the_server_moves_elsewhere_is_lost(pulse, opened):
    """Breaks if we go on listening to a silent source that nobody chose."""
    microphone = opened()
    pulse.control("load-module", "module-always-sink")
    pulse.control("unload-module", "module-null-sink")
    with pytest.raises(DeviceLost):
        until_lost(microphone)
    microphone.close()
    with pytest.raises(DeviceUnavailable):
        microphone.open(time.time_ns)


_STOPPED = """
import os, signal, sys, time
from bindstream.errors import DeviceLost, DeviceUnavailable
from sensors.microphone import Microphone
pid = int(sys.argv[1])
microphone = Microphone("mic", device="robotmic", open_timeout_s=3)
microphone.open(time.time_ns)
os.kill(pid, signal.SIGSTOP)
began = time.monotonic()
try:
    while True:
        microphone.read(0.2)
except DeviceLost:
    print("lost", round(time.monotonic() - began, 2))
began = time.monotonic()
microphone.close()
microphone.close()
print("closed", round(time.monotonic() - began, 2))
began = time.monotonic()
try:
    microphone.open(time.time_ns)
except DeviceUnavailable as error:
    print("unavailable", round(time.monotonic() - began, 2), error)
if "recover" not in sys.argv:
    sys.exit()
os.kill(pid, signal.SIGCONT)
for _ in range(200):
    time.sleep(0.2)
    try:
        microphone.open(time.time_ns)
        break
    except DeviceUnavailable:
        pass
print("heard", len(microphone.read(20)))
microphone.close()
"""


def stopped(pulse, *arguments):
    """What a process says that has a microphone open when the daemon is stopped.

    In a process of its own: what hangs in PortAudio ends with the process alone.
    """
    command = [sys.executable, "-u", "-c", _STOPPED, str(pulse.pid), *arguments]
    environment = os.environ | pulse.environment
    done = subprocess.run(command, env=environment, stdout=-1, timeout=120, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def test_a_stopped_daemon_hangs_nobody(pulse):
    """Breaks if closing, opening again, or the process's end waits for a daemon that is stopped."""
    with Stalls() as stalls:
        said = stopped(pulse)
    lost_s = stalls.lost_s()
    assert float(said["lost"]) < 2.0 + lost_s
    assert float(said["closed"]) < 1.5 + lost_s
    assert "does not answer within 3 s" in said["unavailable"]
    assert float(said["unavailable"].split()[0]) < 6 + lost_s


@pytest.mark.long
def test_a_daemon_that_goes_on_is_heard_again(pulse):
    """Breaks if the calls that were given up leave the sound system unusable for ever."""
    assert int(stopped(pulse, "recover")["heard"]) > 0


def test_digital_silence_can_be_a_loss(opened):
    """Breaks if a microphone that was moved to a dead source cannot be noticed."""
    with pytest.raises(DeviceLost, match="zeros"):
        until_lost(opened(max_zero_s=0.3))


def test_what_is_not_there_is_named(pulse):
    """Breaks if a wrong name or rate ends in another device, or in silence."""
    with pytest.raises(DeviceUnavailable, match=r"'nosuch' is no microphone.*robotmic"):
        Microphone("mic", device="nosuch").open(time.time_ns)
    with pytest.raises(DeviceUnavailable, match="99 is no microphone"):
        Microphone("mic", device=99).open(time.time_ns)
    with pytest.raises(DeviceUnavailable, match=r"matches 2 microphones.*pulse.*default"):
        Microphone("mic", device="u").open(time.time_ns)
    with pytest.raises(WrongFormat, match=r"wanted 60 channels at any Hz.*robotmic"):
        Microphone("mic", device=DEVICE, channels=60).open(time.time_ns)


def test_nothing_is_written_to_stderr(pulse, capfd):
    """Breaks if ALSA's eighty lines hide the one that matters."""
    microphone = Microphone("mic", device=DEVICE)
    microphone.open(time.time_ns)
    microphone.close()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("device", ""),
        ("device", -1),
        ("device", 1.5),
        ("rate_hz", 10),
        ("channels", 0),
        ("channel", -1),
        ("open_timeout_s", 0),
        ("max_zero_s", 0),
        ("delay_ms", -1),
    ],
)
def test_bad_options_are_named(key, value):
    """Breaks if `check` would let a value pass that cannot work."""
    with pytest.raises(ConfigError, match=f"'mic': option {key}"):
        Microphone("mic", **{key: value})
