"""The folder of an OpenCLIP model: what must lie in it, seen without torch."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bindstream.errors import MissingExtra, WeightsError
from bindstream.formats import Frames, WindowFormat
from bindstream.types import Modality
from encoders.offer import Offer
from encoders.weights import pth
from encoders.weights.card import read_header

HELD = frozenset({Modality.VISION, Modality.TEXT})
_CONFIG = "open_clip_config.json"
_USUAL_PX = 224
"""Of a config that does not say, as open_clip has it."""
_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "spiece.model", "vocab.txt", "vocab.json")


class Folder(NamedTuple):
    """``file``: the weights. ``lacks_words``: why words cannot be encoded here, '' if they can."""

    path: Path
    file: Path
    lacks_words: str
    dim: int
    windows: dict[Modality, WindowFormat]


def offer(weights: str | None) -> Offer:
    """Raises MissingExtra without open_clip, WeightsError for what is no model's folder."""
    if importlib.util.find_spec("open_clip") is None:
        raise MissingExtra("open_clip_torch", "clip", "the encoder 'open_clip'")
    folder = found(weights)
    lacks = {Modality.TEXT: folder.lacks_words} if folder.lacks_words else {}
    return Offer(
        modalities=HELD, windows=folder.windows, lacks=lacks, torch_device=True, dim=folder.dim
    )


def found(weights: str | None) -> Folder:
    """Look at a folder. Raises WeightsError for one that is not there, empty, or half copied."""
    if weights is None:
        raise WeightsError("an OpenCLIP encoder needs 'weights': a folder of a model")
    folder = Path(weights).expanduser().resolve()
    if not folder.is_dir():
        raise WeightsError(f"{folder}: no such folder; wants that of an OpenCLIP model")
    files = [folder / name for name in _FILES if (folder / name).is_file()]
    if not files or not (folder / _CONFIG).is_file():
        raise WeightsError(f"{folder}: wants {_CONFIG} and {' or '.join(_FILES)} in it")
    model, form = _described(folder / _CONFIG)
    if files[0].suffix == ".safetensors":
        read_header(files[0])
    else:
        pth.keys(files[0])
    size = square(folder, model["vision_cfg"].get("image_size", _USUAL_PX))
    return Folder(
        path=folder,
        file=files[0],
        lacks_words=_lacks_words(folder, model["text_cfg"]),
        dim=model["embed_dim"],
        windows={Modality.VISION: window_format(size, form)},
    )


def window_format(size_px: int, form: Mapping[str, Any]) -> Frames:
    """The newest frame, as the model was trained to see it; native where only open_clip's own
    preprocessing can make it (borders filled up, or scaled by another filter than bicubic)."""
    rule = form.get("resize_mode") or "shortest"
    if rule == "longest" or (form.get("interpolation") or "bicubic") != "bicubic":
        return Frames()
    return Frames(size_px=size_px, rule="squash" if rule == "squash" else "crop", filter="bicubic")


def square(folder: Path, size: Any) -> int:
    """The side of the model's pictures. Raises WeightsError where they have two."""
    high, wide = (size, size) if isinstance(size, int) else size
    if high != wide:
        raise WeightsError(f"{folder}: wants square pictures, has {high} x {wide}")
    return int(high)


def _described(file: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The config's ``model_cfg``, if it describes two towers of one space, and how it prepares
    pictures."""
    try:
        said = json.loads(file.read_text())
        model = said["model_cfg"]
        wanted = {"embed_dim": int, "vision_cfg": dict, "text_cfg": dict}
        wrong = [key for key, kind in wanted.items() if not isinstance(model.get(key), kind)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        said = str(error) or type(error).__name__
        raise WeightsError(f"{file}: not a config that open_clip wrote ({said})") from error
    if wrong:
        raise WeightsError(f"{file}: not a config of a CLIP model: model_cfg lacks {wrong}")
    form = said.get("preprocess_cfg") or {}
    if not isinstance(form, dict):
        raise WeightsError(f"{file}: preprocess_cfg: wants settings by name, got {form!r:.80}")
    return model, form


def _lacks_words(folder: Path, text: Mapping[str, Any]) -> str:
    """SigLIP and its like cut words by a tokenizer of Hugging Face's, which open_clip then takes
    from this folder."""
    if not text.get("hf_tokenizer_name"):
        return ""
    if importlib.util.find_spec("transformers") is None:
        return (
            f"{folder}: its words need the tokenizer '{text['hf_tokenizer_name']}', which needs"
            " transformers: pip install transformers sentencepiece"
        )
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        return (
            f"{folder}: its words need the files of the tokenizer '{text['hf_tokenizer_name']}'"
            f" in it ({', '.join(_TOKENIZERS[:3])}): copy the whole snapshot of the model"
        )
    return ""
