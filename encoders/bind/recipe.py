"""From pairs to one weights file: the stages in order, each resumable, each on disk when done.

``work/`` holds the state of each stage; a run that was stopped goes on where it was. What is
trained stays a plain `ImageBind`: batch norms are folded before anything leaves a stage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bindstream.types import Modality
from encoders.bind import batch_norm, tiny
from encoders.bind.pairs import Pairs
from encoders.bind.sensor import SensorObjective
from encoders.bind.train import Progress, Schedule, Temperature, fit, settle_norms
from encoders.bind.words import Captioner, Truth, WordsObjective, image_vectors
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import ImageBind
from encoders.imagebind.tokenizer import WordTokenizer
from encoders.weights.load import tower_hash
from encoders.weights.saving import save

State = dict[str, Tensor]
Report = Callable[[str, Progress], None]
"""Gets the stage's name and where it stands, after each step."""


@dataclass(frozen=True, slots=True)
class WordSource:
    """A simulator's labels as words: what stage 1, and it alone, is taught with."""

    factors: Mapping[str, Sequence[str]]
    vocabulary: Sequence[str]
    truth: Truth
    caption: Captioner


def train_words(
    pairs: Pairs, words: WordSource, schedule: Schedule, work: Path, report: Report
) -> State:
    """Stage 1: the image and text towers. Rounded to half precision, as they will be shipped: the
    sensors are bound to exactly the tower that readers get."""
    done = work / "words.pt"
    if done.is_file():
        return load_state(done)
    tokenizer = WordTokenizer(words.vocabulary, tiny.CONTEXT)
    torch.manual_seed(schedule.seed)
    model = _model(tokenizer.vocab_size, [Modality.VISION, Modality.TEXT])
    objective = WordsObjective(
        model, pairs, tokenizer, dict(words.factors), words.truth, words.caption
    )
    fit(objective, len(pairs), schedule, resume=work / "words.run", report=_named("words", report))
    _set_scale(model, Modality.TEXT, objective.temperature)
    state = _finished(objective, model, schedule, len(pairs))
    _save_state(state, done)
    return state


def targets(pairs: Pairs, words_state: State, vocab_size: int, work: Path) -> Tensor:
    """The frozen image tower's vectors of all pairs, (N, E), computed once."""
    done = work / "images.npy"
    if not done.is_file():
        config = ImageBindConfig.of(tiny.config(vocab_size))
        model = ImageBind(config, [Modality.VISION])
        model.load_state_dict({k: v for k, v in words_state.items() if ".vision." in k})
        np.save(done, image_vectors(model, pairs).numpy())
    return torch.from_numpy(np.load(done))


def train_sensor(
    modality: Modality,
    pairs: Pairs,
    images: Tensor,
    schedule: Schedule,
    work: Path,
    report: Report,
) -> State:
    """Stage 2: one sensor towards the frozen images. Pure InfoNCE; no words, no labels."""
    done = work / f"{modality}.pt"
    if done.is_file():
        return load_state(done)
    torch.manual_seed(schedule.seed)
    model = _model(4, [modality])
    objective = SensorObjective(model, modality, pairs, images)
    run = work / f"{modality}.run"
    fit(objective, len(pairs), schedule, resume=run, report=_named(modality, report))
    _set_scale(model, modality, objective.temperature)
    state = _finished(objective, model, schedule, len(pairs))
    _save_state(state, done)
    return state


def write(state: State, vocabulary: Sequence[str], path: Path, description: str) -> str:
    """The weights file with its card, float16. Returns the space_id."""
    space_id = f"{tiny.NAME}:{tower_hash(state)}"
    said = {
        "name": tiny.NAME,
        "space_id": space_id,
        "config": tiny.config(len(vocabulary) + 4),
        "windows": tiny.WINDOWS,
        "vocabulary": {"kind": "words", "words": list(vocabulary)},
        "front_ends": tiny.FRONT_ENDS,
        "licence": "Apache-2.0",
        "description": description,
    }
    save(state, path, said, torch.float16)
    return space_id


def load_state(path: Path) -> State:
    """Names -> tensors of a stage that is done."""
    state: State = torch.load(path, weights_only=True)
    return state


def _model(vocab_size: int, modalities: list[Modality]) -> ImageBind:
    model = ImageBind(ImageBindConfig.of(tiny.config(vocab_size)), modalities)
    batch_norm.add(model)
    return model


def _finished(objective: Any, model: ImageBind, schedule: Schedule, count: int) -> State:
    """Settle and fold the norms; round to half precision."""
    settle_norms(objective, count, schedule)
    batch_norm.fold(model)
    kept = ("log_logit_scale", "mask")
    return {
        k: v.detach().clone() if k.endswith(kept) else v.detach().half().float()
        for k, v in model.state_dict().items()
    }


def _set_scale(model: ImageBind, modality: Modality, temperature: Temperature) -> None:
    """Ship the temperature that training found as the modality's logit scale."""
    scale: Any = model.modality_postprocessors[modality]
    with torch.no_grad():
        scale[1].log_logit_scale.fill_(math.log(float(temperature())))


def _named(name: str, report: Report) -> Callable[[Progress], None]:
    return lambda progress: report(name, progress)


def _save_state(state: State, path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
