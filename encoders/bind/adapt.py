"""A user's own sensor into the space of loaded weights: the image tower stays, so does space_id.

Three ways, by how much is trained: ``head`` (the last layer of the modality's tower), ``lora``
(low-rank additions to its transformer, by peft: Hu et al. 2021, and the head), ``scratch`` (the
whole tower, new). In all of them the paired pictures' vectors are the fixed target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bindstream.errors import ConfigError, MissingExtra, WeightsError
from bindstream.types import Modality
from encoders.bind import batch_norm, zero_shot
from encoders.bind.pairs import Pairs
from encoders.bind.sensor import Augment, SensorObjective
from encoders.bind.train import Progress, Schedule, fit, settle_norms
from encoders.bind.words import unit
from encoders.imagebind.model import ImageBind
from encoders.weights import load as weights
from encoders.weights.card import Card
from encoders.weights.load import load
from encoders.weights.saving import save

WAYS = ("head", "lora", "scratch")
_LORA_PLACES = ["attn.out_proj", "mlp.fc1", "mlp.fc2"]
_BATCH = 64


class Outcome(NamedTuple):
    """Recall at 1 and 10 of the sensor finding its own pictures, on pairs kept out of training."""

    before: tuple[float, float]
    after: tuple[float, float]


def bind_sensor(
    card: Card,
    modality: Modality,
    train: Pairs,
    held: Pairs,
    out: Path,
    way: str,
    schedule: Schedule,
    *,
    rank: int = 8,
    report: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Bind ``modality`` of the weights of ``card`` to its frozen pictures; write ``out``.

    The new file holds all towers of the old one, with its name and space_id: old and new vectors
    compare. Raises WeightsError where the file has no image tower, or not that modality.
    """
    lacking = {Modality.VISION, modality} - card.modalities
    if lacking:
        raise WeightsError(f"{card.path}: wants towers of {', '.join(sorted(lacking))} to bind to")
    vision = _loaded(card, Modality.VISION)
    images, held_images = (vectors(vision, Modality.VISION, pairs) for pairs in (train, held))
    model = _loaded(card, modality)
    before = recalls(vectors(model, modality, held), held_images)
    tower = adapted(model, modality, train, images, way, schedule, rank=rank, report=report)
    fresh = ImageBind(card.config, [modality])
    fresh.load_state_dict(tower)
    after = recalls(vectors(fresh, modality, held), held_images)
    state = weights.read_state(card.path)
    dtype = next(v.dtype for k, v in state.items() if not k.endswith(weights.KEPT_FLOAT32))
    save(replaced(state, tower), out, _said(card, modality, way, len(train)), dtype)
    return Outcome(before, after)


def _loaded(card: Card, modality: Modality) -> ImageBind:
    """One tower in float32, in memory of its own: training must not write into a mapped file."""
    model = load(card.path, config=card.config, modalities=[modality])
    model.load_state_dict({k: v.clone() for k, v in model.state_dict().items()}, assign=True)
    return model


def adapted(
    model: ImageBind,
    modality: Modality,
    pairs: Pairs,
    images: Tensor,
    way: str,
    schedule: Schedule,
    *,
    rank: int = 8,
    augment: Augment | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> dict[str, Tensor]:
    """Train the modality's tower of ``model`` towards ``images`` (N, E); return its state, as a
    plain tower again.

    ``model`` holds that modality alone and is changed. ``augment`` None: the pairs as they are.
    Raises ConfigError for another ``way``, MissingExtra without peft.
    """
    if way not in WAYS:
        raise ConfigError(f"--how wants one of {', '.join(WAYS)}, got '{way}'")
    torch.manual_seed(schedule.seed)
    if way == "scratch":
        model = ImageBind(model.config, [modality])
        batch_norm.add(model)
    model.requires_grad_(way == "scratch")
    if way == "lora":
        _add_lora(model, rank)
    if way != "scratch":
        model.modality_heads[modality].requires_grad_(True)
    objective = SensorObjective(model, modality, pairs, images, augment or (lambda x, _: x))
    fit(objective, len(pairs), schedule, report=report)
    if way == "lora":
        _merge_lora(model)
    if way == "scratch":
        settle_norms(objective, len(pairs), schedule)
        batch_norm.fold(model)
    return {k: v.detach() for k, v in model.state_dict().items()}


@torch.no_grad()
def vectors(model: ImageBind, modality: Modality, pairs: Pairs) -> Tensor:
    """Unit vectors of all rows of a modality, (N, E) float32."""
    model.eval()
    parts = [
        unit(model.features(modality, pairs.rows(modality, slice(n, n + _BATCH))))
        for n in range(0, len(pairs), _BATCH)
    ]
    return torch.cat(parts)


def recalls(sensor: Tensor, images: Tensor) -> tuple[float, float]:
    """R@1 and R@10 of a sensor's rows finding their own pictures, among at most 200."""
    left, right = (x.numpy() for x in (sensor, images))
    return zero_shot.recall(left, right, 1), zero_shot.recall(left, right, 10)


def replaced(state: Mapping[str, Tensor], tower: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A whole model's state with one tower exchanged. Raises WeightsError for keys that the
    model does not have (unless it lacks the whole modality, which is then added)."""
    names = {key.split(".")[1] for key in tower}
    had = {key for key in state if key.split(".")[1] in names}
    if had and had != set(tower):
        raise WeightsError(f"the trained tower's keys differ: {sorted(had ^ set(tower))[:5]}")
    return {**state, **tower}


def _add_lora(model: ImageBind, rank: int) -> None:
    try:
        import peft
    except ModuleNotFoundError as error:
        raise MissingExtra("peft", "bind", "LoRA") from error
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=_LORA_PLACES)
    peft.inject_adapter_in_model(config, model)


def _merge_lora(model: nn.Module) -> None:
    """Add the low-rank parts to the weights and take peft's wrappers away."""
    wrapped = [(n, m) for n, m in model.named_modules() if hasattr(m, "get_base_layer")]
    for name, layer in wrapped:
        adapter: Any = layer
        adapter.merge()
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, adapter.get_base_layer())


def _said(card: Card, modality: Modality, way: str, count: int) -> dict[str, Any]:
    done = f"{modality} bound again ({way}, {count} pairs) to the same frozen image tower."
    description = f"{card.description} {done}".strip()
    return replace(card, space_id=weights.space_id(card), description=description).said()
