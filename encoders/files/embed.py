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

from bindstream import depth, thermal
from bindstream.errors import InvalidInput
from bindstream.types import Array, DepthMeta, ImuMeta, Modality, Vector, Window
from encoders.files import clips
from encoders.files import read as files
from encoders.files import sound as sound_files
from encoders.files import video as video_files
from encoders.files.imu import Stated, read_motion
from encoders.imagebind import fbank, frontends
from encoders.imagebind.encoder import ImageBindEncoder

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
    """What files do not say.

    Depth: focal length at native size, baseline, metres per step (None: 0.001 for whole numbers,
    1 for floats), the count that means a hole. Thermal: kelvin per step (None: 0.01 and 1), kelvin
    to add, the lines that are picture. IMU: samples per second (None: by its time column, else
    400), units and columns. Video: its true frames per second, where its header lies.
    """

    fx_px: float = 518.86
    baseline_m: float = 0.075
    depth_unit_m: float | None = None
    depth_invalid: int | None = depth.INVALID
    thermal_unit_k: float | None = None
    thermal_offset_k: float = 0.0
    thermal_rows: thermal.Rows | None = None
    imu_rate_hz: float | None = None
    imu: Stated | None = None
    video_rate_hz: float | None = None


USUAL_IMU_HZ = 400.0
"""Readings per second of an IMU file that says nothing, and of which nothing is said."""
_RATES_AGREE = 0.2


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
        if kind == "text" and not what.strip():
            raise InvalidInput(f"text: wants words, got {what!r}")
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
        pixels = torch.from_numpy(files.read_image(path))
        x = frontends.image(pixels, self.encoder.card.config.image_size)
        return self._encoded(Modality.VISION, x.unsqueeze(0))

    def _video(self, path: Path) -> Vector:
        timeline = video_files.timeline(path, self.cameras.video_rate_hz)
        length_s = self.encoder.card.windows[Modality.VISION].length_s or 2.0
        if timeline.times_s is not None:
            pairs = clips.clip_frames_at(timeline.times_s, clips.VIDEO_CLIPS, length_s)
        else:
            count, rate_hz = timeline.count, timeline.rate_hz
            pairs = clips.clip_frames(count, rate_hz, clips.VIDEO_CLIPS, length_s)
        frames = torch.from_numpy(files.read_video(path, [n for pair in pairs for n in pair]))
        size = self.encoder.card.config.image_size
        each = [frontends.video(pair, size) for pair in frames.split(2)]  # type: ignore[no-untyped-call]
        return self._encoded(Modality.VISION, torch.cat(each))

    def _audio(self, path: Path) -> Vector:
        sound, rate = files.read_audio(path)
        if len(sound) * fbank.RATE_HZ < fbank.FRAME * rate:
            raise InvalidInput(f"{path}: wants at least 25 ms of sound, got {len(sound)} samples")
        at_16k = torch.from_numpy(sound_files.at_16k(sound, rate))
        card = self.encoder.card
        length_s = card.windows[Modality.AUDIO].length_s or 2.0
        slices = clips.clip_samples(len(at_16k), fbank.RATE_HZ, clips.AUDIO_CLIPS, length_s)
        bands, columns = card.config.audio_num_mel_bins, card.config.audio_target_len
        mels = [fbank.mel(at_16k[s].unsqueeze(0), bands, columns) for s in slices]
        return self._encoded(Modality.AUDIO, torch.cat(mels))

    def _depth(self, path: Path) -> Vector:
        said = self.cameras
        metres = files.read_depth(path, said.depth_unit_m, said.depth_invalid)
        meta = DepthMeta(said.fx_px, said.baseline_m)
        return self._window(path, Modality.DEPTH, metres, meta)

    def _thermal(self, path: Path) -> Vector:
        said = self.cameras
        kelvin = files.read_thermal(
            path, said.thermal_unit_k, said.thermal_offset_k, said.thermal_rows
        )
        return self._window(path, Modality.THERMAL, kelvin, None)

    def _imu(self, path: Path) -> Vector:
        signal, told_hz = read_motion(path, self.cameras.imu)
        rate_hz = _rate(path, told_hz, self.cameras.imu_rate_hz)
        mean, std = signal.mean(axis=1), signal.std(axis=1)  # of the whole file, as FAIR's loader
        card = self.encoder.card
        length_s = card.windows[Modality.IMU].length_s or 5.0
        window = _last(path, signal, rate_hz, length_s, card.config.imu_length)
        meta = ImuMeta(card.config.imu_length / length_s, tuple(mean), tuple(std))
        return self._window(path, Modality.IMU, window, meta)

    def _window(
        self, path: Path, modality: Modality, data: Array, meta: DepthMeta | ImuMeta | None
    ) -> Vector:
        window = Window(
            robot="file",
            stream=path.name,
            modality=modality,
            epoch=0,
            seq=0,
            start_ns=0,
            end_ns=0,
            data=data,
            meta=meta,
        )
        if fault := self.encoder.fault(window):
            raise InvalidInput(f"{path}: {fault}")
        return self.encoder.encode([window])

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


def _rate(path: Path, told_hz: float | None, stated_hz: float | None) -> float:
    """Readings per second: as the file's times tell and, or, as was stated."""
    if told_hz is None or stated_hz is None:
        return told_hz or stated_hz or USUAL_IMU_HZ
    if abs(told_hz - stated_hz) > _RATES_AGREE * stated_hz:
        raise InvalidInput(
            f"{path}: its time column gives {told_hz:.4g} Hz, --imu-rate-hz says {stated_hz:g}:"
            " leave one out"
        )
    return told_hz
