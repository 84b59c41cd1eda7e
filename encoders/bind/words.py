"""Stage 1: images with words, from nothing. The one stage that uses a simulator's labels.

The loss is InfoNCE between a picture and a caption of it, plus, in training alone, a linear head
shared by both towers that names the factors of the scene (cross entropy). The head is thrown away.
Without it a small model on one machine does not leave InfoNCE's first plateau for an hour;
with it the same model leaves it within 200 steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bindstream.types import Modality
from encoders.bind.pairs import Pairs, from_frames, mirrored, shifted
from encoders.bind.train import Batch, Temperature, info_nce
from encoders.imagebind.model import ImageBind
from encoders.imagebind.tokenizer import UNKNOWN, WordTokenizer

_SHARPNESS = 10.0  # of the head's logits: unit vectors alone could not be sure of anything


class Caption(NamedTuple):
    """A text and the factors' words that it mentions: factor -> words."""

    text: str
    mentions: dict[str, list[str]]


Captioner = Callable[[int, bool, random.Random], Caption]
"""(row, is the picture mirrored, chance) -> a caption of it."""
Truth = Callable[[int, bool], dict[str, list[str]]]
"""(row, is the picture mirrored) -> all true words by factor."""


class WordsBatch(NamedTuple):
    """B captioned pictures; labels are (B, K) with 1 where a word is true or mentioned."""

    images: Tensor
    ids: Tensor
    image_labels: Tensor
    text_labels: Tensor


class WordsObjective(nn.Module):
    """Vision and text of ``model`` towards each other.

    ``factors``: name -> its words. ``unknown``: share of words replaced by the unknown id.
    """

    def __init__(
        self,
        model: ImageBind,
        pairs: Pairs,
        tokenizer: WordTokenizer,
        factors: dict[str, Sequence[str]],
        truth: Truth,
        caption: Captioner,
        *,
        unknown: float = 0.07,
        shift_px: int = 4,
        recolour: float = 0.12,
    ) -> None:
        super().__init__()
        self.model = model
        self.temperature = Temperature()
        self.head = nn.Linear(model.config.out_embed_dim, sum(map(len, factors.values())))
        self._pairs, self._tokenizer = pairs, tokenizer
        self._factors, self._truth, self._caption = factors, truth, caption
        self._unknown, self._shift_px, self._recolour = unknown, shift_px, recolour
        # Words start further apart than CLIP's 0.02: a short caption must not look like any other.
        words: Any = model.modality_preprocessors["text"]
        nn.init.normal_(words.token_embedding.weight, std=0.1)

    def batch(self, rows: Tensor, generator: torch.Generator) -> WordsBatch:
        """Those rows, half of them mirrored, with fresh captions."""
        flip = torch.rand(len(rows), generator=generator) < 0.5
        chance = random.Random(int(torch.randint(2**31, (1,), generator=generator)))  # noqa: S311
        where = list(zip(rows.tolist(), flip.tolist(), strict=True))
        captions = [self._caption(row, f, chance) for row, f in where]
        frames = mirrored(self._pairs.raw(Modality.VISION, rows), flip, axis=3)
        frames = shifted(frames, self._shift_px, generator, axes=(2, 3))
        light = 1 + self._recolour * (2 * torch.rand(len(rows), 3, generator=generator) - 1)
        return WordsBatch(
            images=from_frames(frames, light),
            ids=self._ids([c.text for c in captions], generator),
            image_labels=self._labels([self._truth(row, f) for row, f in where]),
            text_labels=self._labels([c.mentions for c in captions]),
        )

    def encode(self, batch: Batch) -> Batch:
        """Pictures and texts -> their unit vectors."""
        images, ids, *_ = batch
        image = unit(self.model.features(Modality.VISION, images))
        return image, unit(self.model.features(Modality.TEXT, ids))

    def loss(self, vectors: Batch, batch: Batch) -> Tensor:
        """InfoNCE, plus the naming of factors by the shared head."""
        image, text = vectors
        *_, image_labels, text_labels = batch
        named = self._naming(image, image_labels) / 3 + self._naming(text, text_labels) / 6
        return info_nce(image, text, self.temperature()) + named

    def _naming(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """Sum over factors of the cross entropy to the true words, shared where several are;
        a factor without a true word counts nothing."""
        logits = self.head(_SHARPNESS * vectors)  # (B, K)
        total: Tensor = logits.new_zeros(())
        widths = [len(words) for words in self._factors.values()]
        for part, true in zip(
            torch.split(logits, widths, 1), torch.split(labels, widths, 1), strict=True
        ):
            known = true.sum(1)
            entropy = -(F.log_softmax(part, 1) * true).sum(1) / known.clamp(min=1)
            total = total + entropy.sum() / len(vectors)
        return total

    def _labels(self, words: list[dict[str, list[str]]]) -> Tensor:
        columns = [(f, w) for f, ws in self._factors.items() for w in ws]
        return torch.tensor([[float(w in said.get(f, ())) for f, w in columns] for said in words])

    def _ids(self, texts: list[str], generator: torch.Generator) -> Tensor:
        ids = self._tokenizer(texts)
        ids = ids[:, : int((ids != 0).sum(1).max())]
        lost = torch.rand(ids.shape, generator=generator) < self._unknown
        words = (ids > UNKNOWN) & (ids < self._tokenizer.end)
        return torch.where(lost & words, UNKNOWN, ids)


def unit(x: Tensor) -> Tensor:
    """(B, E) -> unit norm, float32."""
    return F.normalize(x.float(), dim=-1)


@torch.no_grad()
def image_vectors(model: ImageBind, pairs: Pairs, batch: int = 256, **_: Any) -> Tensor:
    """The frozen image tower's vectors of all pairs: (N, E) float32, unit norm. Computed once."""
    model.eval()
    parts = [
        unit(model.features(Modality.VISION, pairs.rows(Modality.VISION, slice(i, i + batch))))
        for i in range(0, len(pairs), batch)
    ]
    return torch.cat(parts)
