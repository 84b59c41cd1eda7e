"""Where CLIP's list of byte pairs is: words for the official weights need it. No torch here.

1.4 MB, from OpenAI's CLIP (MIT licence). It lies in open_clip_torch (the extra ``clip``), or in the
user's cache folder, where ``bindstream weights fetch`` puts it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bindstream.errors import MissingExtra, WeightsError
from encoders.weights.fingerprint import cache_dir, hash_file

NAME = "bpe_simple_vocab_16e6.txt.gz"
URL = f"https://github.com/openai/CLIP/raw/main/clip/{NAME}"
SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
"""Of that file as it has been since 2021; open_clip_torch 3.3 carries the same bytes."""
COMMAND = "bindstream weights fetch --vocabulary"


def fetched() -> Path:
    """Where the fetched file is, or would be."""
    return cache_dir() / NAME


def clip_file() -> Path:
    """The file, as it should be. Raises MissingExtra where there is none, WeightsError for one
    of other bytes."""
    file = packaged() or fetched()
    if not file.is_file():
        raise MissingExtra(
            f"a file of 1.4 MB, which '{COMMAND}' brings, or open_clip_torch",
            "clip",
            "CLIP's vocabulary, of which the words of these weights are made,",
        )
    found = hash_file(file)
    if found != SHA256:
        raise WeightsError(
            f"{file}: its SHA-256 is {found}, wanted {SHA256}: damaged; remove it and run"
            f" '{COMMAND}'"
        )
    return file


def packaged() -> Path | None:
    """The file in open_clip_torch, where that is installed."""
    spec = importlib.util.find_spec("open_clip")  # found, not imported: that would load much
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / NAME
    return file if file.is_file() else None
