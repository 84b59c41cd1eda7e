"""A sound card: a private PulseAudio daemon whose null sink is a microphone to PortAudio.

What is played into the sink ``mic`` is what the input device ``robotmic`` hears.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DEVICE = "robotmic"
_ASOUND = """</usr/share/alsa/alsa.conf>
pcm.!default { type pulse hint { show on description "Default" } }
ctl.!default { type pulse }
pcm.robotmic { type pulse device "mic.monitor" hint { show on description "Robot microphone" } }
"""


class PulseServer:
    """The running daemon. ``environment`` makes a process use it and nothing else."""

    def __init__(self, folder: Path, rate_hz: int = 48000, channels: int = 2) -> None:
        self._folder = folder
        self._rate_hz = rate_hz
        self._channels = channels
        (folder / "asound.conf").write_text(_ASOUND)
        self.environment = {
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "PULSE_STATE_PATH": str(folder / "state"),
            "PULSE_COOKIE": str(folder / "cookie"),
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
        }
        self._players: list[subprocess.Popen[bytes]] = []

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return int((self._folder / "pulse" / "pid").read_text())

    def start(self) -> None:
        """Start the daemon and wait until it answers. Needs the apt packages pulseaudio,
        pulseaudio-utils and libasound2-plugins."""
        for left in ("pid", "native"):  # of a daemon that was killed
            (self._folder / "pulse" / left).unlink(missing_ok=True)
        sink = f"sink_name=mic rate={self._rate_hz} channels={self._channels} format=s16le"
        command = ["pulseaudio", "-n", "--daemonize=yes", "--exit-idle-time=-1"]
        command += ["--log-level=error", "-L", "module-native-protocol-unix auth-anonymous=1"]
        command += ["-L", f"module-null-sink {sink}"]
        subprocess.run(command, env=self._env(), check=True, timeout=60, stderr=subprocess.DEVNULL)
        self.control("info")

    def stop(self) -> None:
        """End the daemon and the players, by their pids."""
        for player in self._players:
            player.kill()
            player.communicate()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = self.pid
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGTERM)
            _await_end(pid)

    def signal(self, number: int) -> None:
        """Send a signal to the daemon: SIGKILL, SIGSTOP, SIGCONT."""
        os.kill(self.pid, number)

    def control(self, *command: str) -> str:
        """Run pactl."""
        done = subprocess.run(
            ["pactl", *command], env=self._env(), check=True, timeout=60, capture_output=True
        )
        return done.stdout.decode()

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Play a wav file into the microphone; returns at once."""
        return self._popen(["paplay", "-d", "mic", str(path)])

    def open_player(self, rate_hz: int = 48000) -> subprocess.Popen[bytes]:
        """A player of raw mono s16le from its stdin, about 20 ms ahead."""
        form = ["--format=s16le", "--channels=1", f"--rate={rate_hz}"]
        return self._popen(["pacat", "-d", "mic", "--latency-msec=20", *form])

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        player = subprocess.Popen(command, env=self._env(), stdin=subprocess.PIPE)
        self._players.append(player)
        return player

    def _env(self) -> dict[str, str]:
        return os.environ | self.environment


@contextlib.contextmanager
def pulse_server(**options: int) -> Iterator[PulseServer]:
    """A running daemon in a folder of its own (a short path: it holds sockets)."""
    if shutil.which("pulseaudio") is None:
        raise RuntimeError("apt install pulseaudio pulseaudio-utils libasound2-plugins")
    with tempfile.TemporaryDirectory(prefix="pulse-") as folder:
        server = PulseServer(Path(folder), **options)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def write_wav(path: Path, samples: NDArray[np.float32], rate_hz: int = 48000) -> Path:
    """(n,) float32 in [-1, 1] -> a 16-bit mono wav."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm16(samples))
    return path


def pcm16(samples: NDArray[np.float32]) -> bytes:
    """(n,) float32 in [-1, 1] -> s16le bytes."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def _await_end(pid: int) -> None:
    deadline_s = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
