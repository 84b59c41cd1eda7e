"""Window -> vector. A new encoder is one file and one line here."""

from __future__ import annotations

import os

from bindstream.errors import ConfigError

ENCODERS = {
    "imagebind": "encoders.imagebind.encoder:ImageBindEncoder",
    "open_clip": "encoders.open_clip.encoder:OpenClipEncoder",
}

CPU_ISA = "BINDSTREAM_CPU_ISA"
"""Environment: avx2 or sse41. torch and oneDNN then take no wider vectors, as if this machine had
none: what a laptop would do, tried on a server."""
_LIBRARIES = {"avx2": ("avx2", "AVX2"), "sse41": ("default", "SSE41")}


def _narrow() -> None:
    """Early enough: both libraries read their variables at their first product."""
    wanted = os.environ.get(CPU_ISA)
    if not wanted:
        return
    if wanted not in _LIBRARIES:
        raise ConfigError(f"{CPU_ISA}={wanted}: wants {' or '.join(_LIBRARIES)}")
    aten, onednn = _LIBRARIES[wanted]
    os.environ["ATEN_CPU_CAPABILITY"], os.environ["ONEDNN_MAX_CPU_ISA"] = aten, onednn


_narrow()
