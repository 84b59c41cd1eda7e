"""The idea itself, small: words meet heat though they never met, through pictures alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from bindstream.errors import ConfigError
from bindstream.types import Modality
from encoders.bind import adapt, zero_shot
from encoders.bind.pairs import Pairs
from encoders.bind.sensor import SensorObjective
from encoders.bind.train import Schedule, fit
from encoders.bind.words import Caption, WordsObjective, image_vectors, unit
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import ImageBind
from encoders.imagebind.tokenizer import UNKNOWN, WordTokenizer

COLOURS = ("red", "green", "blue")
PLACES = ("left", "right")
COUNT, SIZE = 240, 32
TOKENIZER = WordTokenizer(["a", "patch", "on", "the", *COLOURS, *PLACES], 12)
CONFIG = ImageBindConfig.of(
    {
        "out_embed_dim": 32,
        "image_size": SIZE,
        "vocab_size": TOKENIZER.vocab_size,
        "context_length": 12,
        **{
            f"{m}_{name}": value
            for m in ("vision", "text", "thermal")
            for name, value in (("embed_dim", 32), ("num_heads", 2), ("num_blocks", 1))
        },
        **{f"{m}_{name}": 8 for m in ("vision", "thermal") for name in ("kernel_size", "stride")},
    }
)
SCHEDULE = Schedule(steps=90, batch=48, lr=4e-3, warmup=10)


_STRIPES = np.tile([3.0, 3.0, -3.0], 3)
PATTERNS = (np.full((9, 9), 3.0), np.tile(_STRIPES, (9, 1)), np.tile(_STRIPES[:, None], (1, 9)))


def _folder(path: Path) -> Path:
    """Moments of one patch: its colour is its pattern of heat, its side is its side."""
    draw = np.random.default_rng(0)
    vision = draw.integers(0, 40, (COUNT, 2, SIZE, SIZE, 3)).astype(np.uint8)
    heat = draw.normal(0, 0.1, (COUNT, 1, SIZE, SIZE)).astype(np.float16)
    truth = []
    for n in range(COUNT):
        colour, place = int(draw.integers(3)), int(draw.integers(2))
        left, top = place * 16 + int(draw.integers(6)), int(draw.integers(20))
        vision[n, :, top : top + 9, left : left + 9, colour] = 220
        heat[n, 0, top : top + 9, left : left + 9] += PATTERNS[colour]
        truth.append({"colour": [COLOURS[colour]], "place": [PLACES[place]]})
    path.mkdir()
    np.save(path / "vision.npy", vision)
    np.save(path / "thermal.npy", heat)
    (path / "truth.json").write_text(json.dumps(truth))
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    return Pairs(_folder(tmp_path_factory.mktemp("bind") / "pairs"))


def _words(pairs: Pairs, model: ImageBind) -> WordsObjective:
    plain = pairs.truth()
    swap = {"left": "right", "right": "left"}
    turned = [{f: [swap.get(w, w) for w in ws] for f, ws in said.items()} for said in plain]
    both = (plain, turned)

    def caption(row: int, mirror: bool, chance: random.Random) -> Caption:
        said = both[mirror][row]
        texts = [
            f"a {said['colour'][0]} patch",
            f"a {said['colour'][0]} patch on the {said['place'][0]}",
        ]
        which = chance.randrange(2)
        return Caption(texts[which], said if which else {"colour": said["colour"]})

    factors = {"colour": COLOURS, "place": PLACES}
    return WordsObjective(
        model, pairs, TOKENIZER, factors, lambda row, m: both[m][row], caption, shift_px=1
    )


@pytest.fixture(scope="module")
def taught(pairs: Pairs) -> ImageBind:
    """Stage 1 on the toy world."""
    torch.manual_seed(0)
    model = ImageBind(CONFIG, [Modality.VISION, Modality.TEXT])
    fit(_words(pairs, model), COUNT, SCHEDULE)
    return model


def _named(model: ImageBind, rows: np.ndarray, pairs: Pairs) -> float:
    with torch.no_grad():
        texts = [unit(model.features("text", TOKENIZER([f"a {c} patch"]))).numpy() for c in COLOURS]
    labels = zero_shot.label_vectors(texts)
    truth = [{COLOURS.index(said["colour"][0])} for said in pairs.truth()]
    return float(zero_shot.hits(rows, labels, truth).mean())


def _sensor(pairs: Pairs, targets: torch.Tensor) -> ImageBind:
    torch.manual_seed(1)
    model = ImageBind(CONFIG, [Modality.THERMAL])
    fit(SensorObjective(model, Modality.THERMAL, pairs, targets, lambda x, _: x), COUNT, SCHEDULE)
    return model


def test_pictures_learn_words(taught: ImageBind, pairs: Pairs) -> None:
    """Breaks if stage 1 does not teach, or labels go to the wrong rows."""
    assert _named(taught, image_vectors(taught, pairs).numpy(), pairs) > 0.95


def test_heat_is_named_by_words_that_it_never_met(taught: ImageBind, pairs: Pairs) -> None:
    """Breaks if stage 2 does not land where the frozen pictures are."""
    model = _sensor(pairs, image_vectors(taught, pairs))
    assert _named(taught, adapt.vectors(model, Modality.THERMAL, pairs).numpy(), pairs) > 0.9


def test_shuffled_pairs_teach_nothing(taught: ImageBind, pairs: Pairs) -> None:
    """Breaks if words reach the sensor by another way than through its own pictures."""
    shuffled = image_vectors(taught, pairs)[torch.randperm(COUNT)]
    rows = adapt.vectors(_sensor(pairs, shuffled), Modality.THERMAL, pairs).numpy()
    assert _named(taught, rows, pairs) < 0.6  # chance 1/3


def test_unknown_words_are_trained_and_ends_are_kept(taught: ImageBind, pairs: Pairs) -> None:
    """Breaks if word dropout never happens or eats the end token, where text is read."""
    objective = _words(pairs, taught)
    batch = objective.batch(torch.arange(200), torch.Generator().manual_seed(0))
    ids = batch.ids
    assert 0.02 < float((ids == UNKNOWN).float().mean()) < 0.1
    assert bool((ids.max(dim=1).values == TOKENIZER.end).all())


def test_mirrored_pictures_get_mirrored_words(taught: ImageBind, pairs: Pairs) -> None:
    """Breaks if a flipped picture keeps its old side in labels: left would mean nothing."""
    objective = _words(pairs, taught)
    batch = objective.batch(torch.arange(100), torch.Generator().manual_seed(3))
    light = batch.images.amax(dim=(1, 2, 3))  # (B, W): where the patch is
    right = light.argmax(dim=1) >= SIZE // 2
    assert torch.equal(right, batch.image_labels[:, 4].bool())


@pytest.mark.parametrize("way", adapt.WAYS)
def test_every_way_of_adapting_helps_and_gives_a_plain_tower(
    taught: ImageBind, pairs: Pairs, tmp_path: Path, way: str
) -> None:
    """Breaks if nothing is trained, or LoRA's wrappers stay in what is saved."""
    images = image_vectors(taught, pairs)
    model = _sensor(pairs, images)
    other = tmp_path / "odd"
    other.mkdir()
    np.save(other / "thermal.npy", pairs.array(Modality.THERMAL).swapaxes(2, 3))
    odd = Pairs(other)  # a camera that hangs on its side, in a mirror: one stripe is the other
    before = _named(taught, adapt.vectors(model, Modality.THERMAL, odd).numpy(), pairs)
    tower = adapt.adapted(model, Modality.THERMAL, odd, images, way, SCHEDULE)
    plain = ImageBind(CONFIG, [Modality.THERMAL])
    plain.load_state_dict(tower)
    after = _named(taught, adapt.vectors(plain, Modality.THERMAL, odd).numpy(), pairs)
    assert after > before + 0.1


def test_unknown_way_is_refused(taught: ImageBind, pairs: Pairs) -> None:
    """Breaks if a typing error silently trains something."""
    model = ImageBind(CONFIG, [Modality.THERMAL])
    with pytest.raises(ConfigError, match="head, lora, scratch"):
        adapt.adapted(model, Modality.THERMAL, pairs, torch.zeros(COUNT, 32), "lorra", SCHEDULE)


def test_pairs_of_different_length_are_refused(tmp_path: Path) -> None:
    """Breaks if row i of one modality could be another moment than row i of the other."""
    np.save(tmp_path / "vision.npy", np.zeros((3, 2, 4, 4, 3), np.uint8))
    np.save(tmp_path / "imu.npy", np.zeros((2, 6, 10), np.float16))
    with pytest.raises(ConfigError, match="differ in length"):
        Pairs(tmp_path)
    with pytest.raises(ConfigError, match="holds no pairs"):
        Pairs(tmp_path / "nowhere")
