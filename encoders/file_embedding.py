"""Files and words -> vectors, by the reference's own rules for files.

Pictures by its image path, videos as five clips of three crops, sounds as three clips; the
vector of a file is the mean of its clips' unit vectors. Live windows (``encode``) are one clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bindstream.errors import InvalidInput
from bindstream.types import Array, DepthMeta, ImuMeta, Modality, Vector, Window
from encoders import clips, fbank, files, frontends
from encoders.imagebind_encoder import ImageBindEncoder

KINDS = {
    "image": Modality.VISION,
    "video": Modality.VISION,
    "audio": Modality.AUDIO,
    "depth": Modality.DEPTH,
    "thermal": Modality.THERMAL,
    "imu": Modality.IMU,
    "text": Modality.TEXT,
}
"""What can be given, and the modality that it is."""


@dataclass(frozen=True, slots=True)
class Cameras:
    """What files do not say. Depth: focal length at native size, baseline, metres per step of
    a 16-bit picture. Thermal: kelvin per step. IMU: samples per second of a file."""

    fx_px: float = 518.86
    baseline_m: float = 0.075
    depth_unit_m: float = 0.001
    thermal_unit_k: float = 0.01
    imu_rate_hz: float = 400.0


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One file or text. ``vector`` float32 (dim,), unit norm. ``scaled`` is what the reference
    compares: clips' mean, not normalised again, times the logit scale."""

    kind: str
    name: str
    modality: Modality
    vector: Vector
    scaled: Vector


class FileEmbedder:
    """An encoder that takes files. Raises InvalidInput for one that it cannot read."""

    def __init__(self, encoder: ImageBindEncoder, cameras: Cameras | None = None) -> None:
        self.encoder, self.cameras = encoder, cameras or Cameras()
        self._readers = {
            "image": self._image,
            "video": self._video,
            "audio": self._audio,
            "depth": self._depth,
            "thermal": self._thermal,
            "imu": self._imu,
        }

    def embed(self, kind: str, what: str) -> Item:
        """``kind`` of KINDS; ``what`` a path, or the text itself."""
        modality = KINDS[kind]
        if modality not in self.encoder.modalities:
            held = ", ".join(sorted(self.encoder.modalities))
            raise InvalidInput(f"{what}: these weights hold no {modality}, only {held}")
        if kind == "text":
            vectors = self.encoder.encode_text([what])
        else:
            vectors = self._readers[kind](Path(what))
        if not np.isfinite(vectors).all():
            raise InvalidInput(f"{what}: cannot be encoded: it holds values that are not finite")
        mean = vectors.mean(axis=0)
        scaled = mean * self.encoder.logit_scale(modality)
        return Item(kind, what, modality, mean / np.linalg.norm(mean), scaled)

    def _image(self, path: Path) -> Vector:
        pixels = torch.from_numpy(files.read_image(path).copy())
        x = frontends.image(pixels, self.encoder.card.config.image_size)
        return self._encoded(Modality.VISION, x.unsqueeze(0))

    def _video(self, path: Path) -> Vector:
        count, fps = files.video_length(path)
        length_s = self.encoder.card.windows[Modality.VISION].length_s or 2.0
        pairs = clips.clip_frames(count, fps, clips.VIDEO_CLIPS, length_s)
        frames = torch.from_numpy(files.read_video(path, [n for pair in pairs for n in pair]))
        size = self.encoder.card.config.image_size
        each = [frontends.video(pair, size) for pair in frames.split(2)]  # type: ignore[no-untyped-call]
        return self._encoded(Modality.VISION, torch.cat(each))

    def _audio(self, path: Path) -> Vector:
        from torchaudio.functional import resample

        sound, rate = files.read_audio(path)
        if not np.isfinite(sound).all() or len(sound) * fbank.RATE_HZ < fbank.FRAME * rate:
            raise InvalidInput(f"{path}: wants at least 25 ms of finite sound, got {len(sound)}")
        at_16k = resample(torch.from_numpy(sound), rate, fbank.RATE_HZ)
        card = self.encoder.card
        length_s = card.windows[Modality.AUDIO].length_s or 2.0
        slices = clips.clip_samples(len(at_16k), fbank.RATE_HZ, clips.AUDIO_CLIPS, length_s)
        bands, columns = card.config.audio_num_mel_bins, card.config.audio_target_len
        mels = [fbank.mel(at_16k[s].unsqueeze(0), bands, columns) for s in slices]
        return self._encoded(Modality.AUDIO, torch.cat(mels))

    def _depth(self, path: Path) -> Vector:
        metres = files.read_depth(path, self.cameras.depth_unit_m)
        meta = DepthMeta(self.cameras.fx_px, self.cameras.baseline_m)
        return self.encoder.encode([_window(path, Modality.DEPTH, metres, meta)])

    def _thermal(self, path: Path) -> Vector:
        kelvin = files.read_thermal(path, self.cameras.thermal_unit_k)
        return self.encoder.encode([_window(path, Modality.THERMAL, kelvin, None)])

    def _imu(self, path: Path) -> Vector:
        signal = files.read_imu(path)
        mean, std = signal.mean(axis=1), signal.std(axis=1)  # of the whole file, as FAIR's loader
        card = self.encoder.card
        length_s = card.windows[Modality.IMU].length_s or 5.0
        window = _last(path, signal, self.cameras.imu_rate_hz, length_s, card.config.imu_length)
        meta = ImuMeta(card.config.imu_length / length_s, tuple(mean), tuple(std))
        return self.encoder.encode([_window(path, Modality.IMU, window, meta)])

    def _encoded(self, modality: Modality, x: Tensor) -> Vector:
        return np.concatenate([self.encoder.encode_input(modality, clip) for clip in x.split(1)])  # type: ignore[no-untyped-call]


def _last(path: Path, signal: Array, rate_hz: float, length_s: float, steps: int) -> Array:
    """The last ``length_s`` of a signal (6, n) -> (6, steps), between samples by straight lines."""
    wanted = round(rate_hz * length_s)
    if signal.shape[1] < wanted:
        raise InvalidInput(
            f"{path}: wants {length_s:g} s of IMU, {wanted} samples at {rate_hz:g} Hz, got"
            f" {signal.shape[1]}; say the file's own rate by --imu-rate-hz"
        )
    tail = signal[:, -wanted:]
    at = np.linspace(0, wanted - 1, steps)
    return np.stack([np.interp(at, np.arange(wanted), row) for row in tail]).astype(np.float32)


def _window(
    path: Path, modality: Modality, data: Array, meta: DepthMeta | ImuMeta | None
) -> Window:
    return Window("file", path.name, modality, 0, 0, 0, 0, data, meta, 0, 0, 0, 0)
