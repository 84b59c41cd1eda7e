"""The folder of an OpenCLIP model: what must lie in it, seen without torch."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bindstream.errors import MissingExtra, WeightsError
from bindstream.types import Modality
from encoders.offer import Offer
from encoders.weights import pth
from encoders.weights.card import read_header

HELD = frozenset({Modality.VISION, Modality.TEXT})
_CONFIG = "open_clip_config.json"
_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "spiece.model", "vocab.txt", "vocab.json")


class Folder(NamedTuple):
    """``file``: the weights. ``lacks_words``: why words cannot be encoded here, '' if they can."""

    path: Path
    file: Path
    lacks_words: str


def offer(weights: str | None) -> Offer:
    """Raises MissingExtra without open_clip, WeightsError for what is no model's folder."""
    if importlib.util.find_spec("open_clip") is None:
        raise MissingExtra("open_clip_torch", "clip", "the encoder 'open_clip'")
    folder = found(weights)
    lacks = {Modality.TEXT: folder.lacks_words} if folder.lacks_words else {}
    return Offer(modalities=HELD, lacks=lacks, torch_device=True)


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
    model = _model(folder / _CONFIG)
    if files[0].suffix == ".safetensors":
        read_header(files[0])
    else:
        pth.keys(files[0])
    return Folder(folder, files[0], _lacks_words(folder, model.get("text_cfg") or {}))


def _model(file: Path) -> Mapping[str, Any]:
    """The config's ``model_cfg``, if it describes two towers of one space."""
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
    described: Mapping[str, Any] = model
    return described


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
