"""What this machine can do, found out by doing it once: a small product, checked and timed.

Nobody is asked for flags: a processor, a virtual machine, a build of torch and its environment
each may say more than they keep. Answers are remembered for the life of the process.
"""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bindstream.errors import ConfigError
from encoders.imagebind import runtime_cpu

_PAYS = 0.8  # of float32's time: what bfloat16 must be below, or its rounding buys nothing
_PROVEN = 0.999  # cosine with float32 of a product in bfloat16: it has eight bits
_log = logging.getLogger(__name__)


def device(name: str) -> torch.device:
    """``auto``, cpu, cuda, cuda:1...; one that computes. auto: a GPU where there is one that does.

    Raises ConfigError for a device that is not there, or cannot add.
    """
    if name == "auto":
        return torch.device("cuda") if _auto_cuda() else torch.device("cpu")
    try:
        where = torch.device(name)
        _adds(where)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device '{name}': not on this machine ({_said(error)})") from error
    return where


def _auto_cuda() -> bool:
    if not torch.cuda.is_available():
        return False
    try:
        _adds(torch.device("cuda"))
    except RuntimeError as error:  # e.g. no kernels for its generation in this build of torch
        _log.warning("the GPU is left alone, it does not compute: %s", _said(error))
        return False
    return True


def _adds(where: torch.device) -> None:
    if float(torch.ones(3, device=where).sum()) != 3.0:
        raise RuntimeError("it does not add")


@functools.cache
def why_not_packed(dtype: torch.dtype) -> str | None:
    """Why this machine cannot run the prepacked products of `runtime_cpu` in ``dtype``, in one
    line; None where it can: a linear layer, a residual sum and a convolution gave the right
    numbers."""
    try:
        with torch.inference_mode():
            cosine = min(_packed_linear(dtype), _packed_conv(dtype))
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        return _said(error)
    return None if cosine >= _PROVEN else f"its products are wrong (cosine {cosine:.4f})"


def _packed_linear(dtype: torch.dtype) -> float:
    x, weight, bias, residual = (_drawn(*s) for s in ((5, 64), (48, 64), (48,), (5, 48)))
    linear = runtime_cpu.Linear(weight, bias, dtype)
    wanted = F.linear(x, weight, bias)
    gelu = linear(x.to(dtype), activation="gelu")
    total = linear.plus(x.to(dtype), residual.to(dtype))
    return min(_cosine(gelu, F.gelu(wanted)), _cosine(total, residual + wanted))


def _packed_conv(dtype: torch.dtype) -> float:
    torch_conv = nn.Conv2d(4, 16, 3, 2, 1)
    torch_conv.weight.copy_(_drawn(16, 4, 3, 3))
    x = _drawn(1, 4, 16, 16)
    packed = runtime_cpu.GeluConv(torch_conv, dtype, x.shape)
    return _cosine(packed(x.to(dtype)), F.gelu(torch_conv(x)))


@functools.cache
def bfloat16_pays(where: torch.device) -> bool:
    """Whether a product in bfloat16 is right here, and faster than in float32 by a fifth or more.

    Where it is emulated it takes five times as long.
    """
    with torch.inference_mode():
        x, weight = _drawn(128, 512).to(where), _drawn(512, 512).to(where)
        small = x.bfloat16(), weight.bfloat16()
        try:
            if _cosine(F.linear(*small), F.linear(x, weight)) < _PROVEN:
                return False
            quick = least_seconds(lambda: F.linear(*small), where)
        except RuntimeError:
            return False
        return quick < _PAYS * least_seconds(lambda: F.linear(x, weight), where)


def least_seconds(
    call: Callable[[], object], where: torch.device, *, runs: int = 5, budget_s: float = 0.1
) -> float:
    """The least of up to ``runs`` after one to warm up, no more once ``budget_s`` are spent.

    On a CPU, seconds of one thread's own time, which a busy machine disturbs little: several
    would spin while they wait for each other. On a GPU, of the clock.
    """
    clock = time.thread_time if where.type == "cpu" else _synchronised(where)
    with one_thread():
        call()
        best, began = math.inf, clock()
        for _ in range(runs):
            start = clock()
            call()
            end = clock()
            best = min(best, end - start)
            if end - began > budget_s:
                break
    return best


@contextmanager
def one_thread() -> Iterator[None]:
    """torch starts no threads of its own below this one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _synchronised(where: torch.device) -> Callable[[], float]:
    def clock() -> float:
        torch.cuda.synchronize(where)
        return time.perf_counter()

    return clock


def _drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(math.prod(shape)))


def _cosine(got: Tensor, wanted: Tensor) -> float:
    return float(F.cosine_similarity(got.float().flatten(), wanted.float().flatten(), dim=0))


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0]
