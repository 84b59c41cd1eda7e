"""Which fast path this machine gets, and the proof that it computes the same.

Chosen once at start and said in one log line. Each modality's path is then compared with the
plain float32 model on a fixed input; below a cosine of 0.9995 the encoder refuses to serve.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bindstream.errors import ConfigError, WeightsError
from bindstream.types import Modality
from encoders import runtime_cpu, runtime_cuda
from encoders.imagebind import ImageBind
from encoders.weights import to_dtype

MIN_COSINE = 0.9995
_LARGE = 10_000_000  # parameters from which bfloat16 pays; below, its rounding buys nothing
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_log = logging.getLogger(__name__)

Tower = Callable[[Tensor], Tensor]
"""Model input without a clip axis -> unit vectors float32 [N, E]."""


@dataclass(frozen=True, slots=True)
class Choice:
    """``path``: packed (oneDNN), graphs (CUDA) or plain (anything else)."""

    path: str
    device: torch.device
    dtype: torch.dtype

    @property
    def dtype_name(self) -> str:
        """float32 or bfloat16."""
        return str(self.dtype).removeprefix("torch.")

    def __str__(self) -> str:
        paths = {
            "packed": "prepacked oneDNN",
            "graphs": "CUDA graphs",
            "plain": "plain PyTorch",
        }
        threads = f" ({torch.get_num_threads()} threads)" if self.device.type == "cpu" else ""
        return f"{paths[self.path]}, {self.dtype_name}, on {self.device}{threads}"


def choose(device: str, dtype: str, parameters: int) -> Choice:
    """``device``: auto, cpu, cuda, cuda:1...; ``dtype``: auto, float32, bfloat16.

    auto takes a GPU where there is one, and bfloat16 where the machine multiplies it and the
    model is large enough to gain. Raises ConfigError for a device or dtype that is not there.
    """
    where = _device(device)
    if dtype != "auto" and dtype not in _DTYPES:
        raise ConfigError(f"encoder dtype '{dtype}': wants auto, {' or '.join(_DTYPES)}")
    native = torch.cuda.is_bf16_supported() if where.type == "cuda" else _cpu_bfloat16(where)
    small = "float32" if parameters < _LARGE or not native else "bfloat16"
    number = _DTYPES[small if dtype == "auto" else dtype]
    if number == torch.bfloat16 and not native:
        _log.warning("bfloat16 is emulated on %s: float32 would be faster", where)
    return Choice(_path(where), where, number)


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(device)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"encoder device '{device}': not on this machine ({reason})") from error
    return where


def _cpu_bfloat16(where: torch.device) -> bool:
    return where.type == "cpu" and runtime_cpu.available() and runtime_cpu.has_bfloat16()


def _path(where: torch.device) -> str:
    if where.type == "cuda":
        return "graphs"
    return "packed" if where.type == "cpu" and runtime_cpu.available() else "plain"


class Runtime:
    """A model's towers on the chosen path, tested. The model itself may be dropped afterwards.

    Raises WeightsError where a path and the plain model disagree.
    """

    def __init__(self, model: ImageBind, device: str = "auto", dtype: str = "auto") -> None:
        parameters = sum(p.numel() for p in model.parameters())
        self.choice = choose(device, dtype, parameters)
        self.logit_scales = {m: model.logit_scale(m) for m in model.modalities}
        self._towers: dict[Modality, Tower] = {}
        cosines: dict[Modality, float] = {}
        with torch.inference_mode():
            for modality in model.modalities:
                self._towers[modality] = _tower(model, modality, self.choice)
                cosines[modality] = self_test(model, modality, self._towers[modality])
        said = ", ".join(f"{m} {c:.5f}" for m, c in cosines.items())
        _log.info("encoder path: %s; cosine with plain float32: %s", self.choice, said)

    def __call__(self, modality: Modality, x: Tensor) -> Tensor:
        """Model input without a clip axis -> unit vectors float32 [N, E] on the CPU."""
        with torch.inference_mode():
            return self._towers[modality](x).cpu()


def part_of(
    model: ImageBind, modality: Modality, device: torch.device, dtype: torch.dtype
) -> ImageBind:
    """A copy of one modality, on a device, in a dtype; shares memory where nothing changes."""
    with torch.device("meta"):
        part = ImageBind(model.config, [modality])
    wanted = part.state_dict().keys()
    state = {k: v.to(device) for k, v in model.state_dict().items() if k in wanted}
    part.load_state_dict(state, assign=True)
    return to_dtype(part, dtype).eval().requires_grad_(False)


def self_test(model: ImageBind, modality: Modality, tower: Tower) -> float:
    """Cosine between a tower and the plain float32 model. Raises WeightsError below MIN_COSINE."""
    x = example(model, modality)
    plain = part_of(model, modality, torch.device("cpu"), torch.float32)
    wanted = plain.features(modality, x)
    cosine = float(F.cosine_similarity(tower(x).cpu(), wanted, dim=-1).min())
    if not cosine >= MIN_COSINE:  # also where it is not a number
        raise WeightsError(
            f"{modality}: the fast path's vectors have a cosine of {cosine:.5f} with plain float32"
            f" (wanted {MIN_COSINE}): set the encoder's dtype to float32, and please report it"
        )
    return cosine


def example(model: ImageBind, modality: Modality) -> Tensor:
    """One fixed input: noise of the right shape, or a text of nine tokens."""
    generator = torch.Generator().manual_seed(zlib.crc32(modality.encode()))
    config = model.config
    if modality is Modality.TEXT:
        ids = torch.zeros(1, config.context_length, dtype=torch.long)
        words = min(9, config.context_length - 1)
        ids[0, :words] = torch.randint(1, config.vocab_size - 1, (words,), generator=generator)
        ids[0, words] = config.vocab_size - 1
        return ids
    if modality is Modality.IMU:
        return torch.randn(1, 6, config.imu_length, generator=generator)
    leading = (3, 2) if modality is Modality.VISION else (1,)
    return torch.randn(1, *leading, *config.input_size(modality), generator=generator)


def _tower(model: ImageBind, modality: Modality, choice: Choice) -> Tower:
    if choice.path == "packed":
        return runtime_cpu.PackedTower(model, modality, choice.dtype)
    part = part_of(model, modality, choice.device, choice.dtype)
    if choice.path == "graphs":
        batches = runtime_cuda.BATCHES
        return runtime_cuda.GraphTower(part, modality, example(model, modality), batches)
    return lambda x: F.normalize(part.features(modality, x.to(choice.device)).float(), dim=-1)
