"""Which boot of which machine this is: processes that share it share CLOCK_MONOTONIC."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot() -> str:
    """The first eight hex digits of the kernel's boot id, ended by a '-'; where there is none,
    a text that no other machine has as its own."""
    try:
        return _BOOT_ID.read_text()[:8] + "-"
    except OSError:
        return "unknown?"
