"""A tower on an NVIDIA GPU: one recorded CUDA graph per batch size, so that a batch of one costs
its arithmetic and not a thousand launches.

A batch is padded to the next recorded size; a larger one is cut into pieces. Attention is
torch's fused one. Padding rows are copies of nothing: zeros, and their results are thrown away.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bindstream.types import Modality
from encoders.imagebind import ImageBind

BATCHES = (1, 2, 4, 8, 16, 32)
_WARM_UP = 3  # runs before recording: libraries allocate and choose kernels in the first ones


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
        self._pool = torch.cuda.graph_pool_handle()
        example = example[:1].to(self.device)
        # Largest first: the smaller recordings then fit into its memory.
        recordings = [(b, self._record(example, b)) for b in reversed(batches)]
        self._recorded: dict[int, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = dict(recordings)

    def __call__(self, x: Tensor) -> Tensor:
        """Model input without a clip axis, on any device -> unit vectors float32 [N, E] there."""
        outs, start = [], 0
        for rows, size in pieces(len(x), self.batches):
            outs.append(self._replay(x[start : start + rows], size))
            start += rows
        return torch.cat(outs)

    def _replay(self, x: Tensor, size: int) -> Tensor:
        graph, given, result = self._recorded[size]
        given[: len(x)].copy_(x, non_blocking=True)
        if len(x) < size:
            given[len(x) :].zero_()
        graph.replay()
        return result[: len(x)].clone()  # the next replay overwrites it

    def _record(self, example: Tensor, size: int) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        given = example.expand(size, *example.shape[1:]).contiguous()
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._run(given)
        torch.cuda.current_stream(self.device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            result = self._run(given)
        return graph, given, result

    def _run(self, x: Tensor) -> Tensor:
        return F.normalize(self.part.features(self.modality, x).float(), dim=-1)


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """Through page-locked memory, so that the copy overlaps with what the GPU is doing."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)
