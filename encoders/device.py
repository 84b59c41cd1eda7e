"""Is a device of torch's there? Asked without importing torch, which takes seconds."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_NAME = re.compile(r"(auto|cpu|cuda|mps|xpu)(?::(\d{1,3}))?\Z")
_COUNT = """
import ctypes
driver, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
ok = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
print(count.value if ok else 0)
"""


def name_fault(device: str) -> str:
    """Why a name cannot be a device anywhere, '' if it can."""
    if _NAME.match(device):
        return ""
    return f"device '{device}': wants auto, cpu, cuda or cuda:N"


def absence(device: str) -> str:
    """Why a device is not on this machine, '' if it is, or if only torch can tell."""
    match = _NAME.match(device)
    if match is None or match[1] != "cuda":
        return ""
    built = _torch_version()
    if "rocm" in built:
        return ""
    if built.endswith("+cpu"):
        return f"device '{device}': not on this machine (torch {built} is built without CUDA)"
    number, count = int(match[2] or 0), _cuda_devices()
    if number < count:
        return ""
    there = f"has {count} CUDA devices" if count else "no NVIDIA driver with a GPU is here"
    return f"device '{device}': not on this machine ({there}); 'auto' takes what there is"


def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


@cache
def _cuda_devices() -> int:
    """By the driver, in a process of its own: it must not be initialised in one that forks."""
    done = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 else 0
