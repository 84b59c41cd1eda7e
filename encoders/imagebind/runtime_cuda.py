"""A tower on an NVIDIA GPU: one recorded CUDA graph per batch size, so that a batch of one costs
its arithmetic and not a thousand launches.

A batch is padded to the next recorded size; a larger one is cut into pieces. Attention is
torch's fused one. Padding rows are copies of nothing: zeros, and their results are thrown away.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bindstream.errors import InvalidInput
from bindstream.types import Modality
from encoders.imagebind.model import ImageBind

BATCHES = (1, 2, 4, 8, 16, 32)
"""What may be recorded. A larger batch is cut: a GPU is full long before."""
_WARM_UP = 3  # runs before recording: libraries allocate and choose kernels in the first ones


def recorded_sizes(max_batch: int) -> tuple[int, ...]:
    """What to record where batches of up to ``max_batch`` come: 6 -> 1, 2, 4, 6."""
    largest = min(max_batch, BATCHES[-1])
    return (*(size for size in BATCHES if size < largest), largest)


def fitted(x: Tensor, shape: torch.Size) -> Tensor:
    """A batch as a recording [N, ...] reads it: a still picture shown twice, a short text filled up
    (attention is causal). Raises InvalidInput for what cannot be made so."""
    wanted = shape[1:]
    if len(wanted) == 1 and x.ndim == 2 and x.shape[1] < wanted[0]:
        return F.pad(x, (0, wanted[0] - x.shape[1]))
    if len(wanted) == 4 and x.ndim == 4:
        x = x.unsqueeze(2)  # [N, 3, H, W] -> [N, 3, 1, H, W]
    if len(wanted) == 4 and x.ndim == 5 and x.shape[2] == 1:
        x = x.expand(-1, -1, wanted[1], -1, -1)
    if x.shape[1:] != wanted:
        raise InvalidInput(f"wants a tensor of shape [N, {list(wanted)}], got {list(x.shape)}")
    return x


def pieces(count: int, sizes: tuple[int, ...] = BATCHES) -> list[tuple[int, int]]:
    """Cut a batch of ``count`` into (rows, recorded size): whole largest pieces, then the
    smallest size that holds the rest."""
    largest = sizes[-1]
    cut = [(largest, largest)] * (count // largest)
    rest = count % largest
    return [*cut, (rest, next(s for s in sizes if s >= rest))] if rest else cut


class GraphTower:
    """One modality of a model on a GPU; ``part`` holds that modality alone, on its device."""

    def __init__(
        self, part: ImageBind, modality: Modality, example: Tensor, batches: tuple[int, ...]
    ) -> None:
        self.part, self.modality, self.batches = part, modality, batches
        self.device = next(part.parameters()).device
        with torch.cuda.device(self.device):  # streams, pools and graphs are the current device's
            self._pool = torch.cuda.graph_pool_handle()
            # Torch's own stream for recording is made once, on whatever device was current then.
            self._side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            example = example[:1].to(self.device)
            # Largest first: the smaller recordings then fit into its memory.
            recordings = [(b, self._record(example, b)) for b in reversed(batches)]
        self._recorded: dict[int, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = dict(recordings)

    def __call__(self, x: Tensor) -> Tensor:
        """Model input without a clip axis, on any device -> unit vectors float32 [N, E] there."""
        outs, start = [], 0
        with torch.cuda.device(self.device):
            for rows, size in pieces(len(x), self.batches):
                outs.append(self._replay(x[start : start + rows], size))
                start += rows
            return torch.cat(outs)

    def _replay(self, x: Tensor, size: int) -> Tensor:
        graph, given, result = self._recorded[size]
        given[: len(x)].copy_(fitted(x, given.shape), non_blocking=True)
        if len(x) < size:
            given[len(x) :].zero_()
        graph.replay()
        return result[: len(x)].clone()  # the next replay overwrites it

    def _record(self, example: Tensor, size: int) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        given = example.expand(size, *example.shape[1:]).contiguous()
        self._side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._side):
            for _ in range(_WARM_UP):
                self._run(given)
        torch.cuda.current_stream(self.device).wait_stream(self._side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._side):
            result = self._run(given)
        return graph, given, result

    def _run(self, x: Tensor) -> Tensor:
        return F.normalize(self.part.features(self.modality, x).float(), dim=-1)


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """Through page-locked memory, so that the copy overlaps with what the GPU is doing."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)
