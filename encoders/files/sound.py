"""Sound files -> samples: PCM WAV read here, anything else by ``ffmpeg``, where it is installed."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np

from bindstream import sound
from bindstream.errors import InvalidInput
from bindstream.types import Array
from encoders.files.decoding import decoding, is_npy

RATE_HZ = 16_000
SLOWEST_HZ, FASTEST_HZ = 1_000, 768_000
LONGEST_S = 7_200
"""A file of more is refused, not cut: it may have been made to fill the memory."""
FFMPEG_S = 120.0
_ADDRESS = re.compile(r"\[\w+ @ 0x\w+\] ")
_MOST_PHASES = 1_600
"""Rates that share less with 16 kHz would cost torchaudio a kernel of gigabytes."""


def read_audio(path: Path) -> tuple[Array, int]:
    """A sound -> its first channel, float32 (n,) in [-1, 1], and its rate in Hz."""
    with decoding(path, "a sound"):
        if is_npy(path):
            raise InvalidInput("an array tells no rate: write it as WAV, as by soundfile.write")
        heard, rate = _wav(path) or (_by_ffmpeg(path), RATE_HZ)
        if doubt := sound.doubt(heard):
            raise InvalidInput(str(doubt))
        return heard, rate


def at_16k(heard: Array, rate_hz: int) -> Array:
    """Samples at 16 kHz: as the reference resamples (torchaudio), where the rates allow it."""
    import torch

    phases = RATE_HZ // math.gcd(RATE_HZ, rate_hz)
    if phases > _MOST_PHASES:
        import soxr

        resampled: Array = soxr.resample(heard, rate_hz, RATE_HZ)
        return resampled
    from torchaudio.functional import resample

    return np.asarray(resample(torch.from_numpy(heard), rate_hz, RATE_HZ))


def _wav(path: Path) -> tuple[Array, int] | None:
    """Of a PCM WAV; None for anything else."""
    try:
        with wave.open(str(path)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            content = file.readframes(file.getnframes())
    except Exception:  # `wave` has no closed list either; ffmpeg will say what it is
        return None
    if width not in sound.PCM_BYTES:
        return None
    if not SLOWEST_HZ <= rate <= FASTEST_HZ:
        wanted = f"{SLOWEST_HZ} to {FASTEST_HZ} samples per second"
        raise InvalidInput(f"wants {wanted}, its header says {rate}")
    content = content[: len(content) // (width * channels) * width * channels]
    if len(content) // (width * channels) > LONGEST_S * rate:
        raise InvalidInput(f"longer than {LONGEST_S} s: cut it")
    return sound.from_pcm(content, width)[::channels].copy(), rate


def _by_ffmpeg(path: Path) -> Array:
    program = shutil.which("ffmpeg")
    if program is None:
        raise InvalidInput("not PCM WAV, and ffmpeg, which reads other sounds, is not installed")
    # A playlist may name addresses: only files are opened.
    command = [program, "-v", "error", "-protocol_whitelist", "file", "-i", str(path.absolute())]
    command += ["-map", "0:a:0", "-t", str(LONGEST_S + 1)]
    command += ["-af", "pan=mono|c0=c0", "-ar", str(RATE_HZ), "-f", "f32le", "-"]
    done = subprocess.run(
        command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=FFMPEG_S
    )
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        said = _ADDRESS.sub("", "".join(reason[:1]))
        raise InvalidInput(f"no sound that ffmpeg reads ({said})")
    heard = np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], "<f4").copy()
    if len(heard) > LONGEST_S * RATE_HZ:
        raise InvalidInput(f"longer than {LONGEST_S} s: cut it")
    return heard
