"""Words -> token ids: CLIP's byte pairs for the official weights, a short word list for small ones.

Both cut a text to the model's length and always close it with the end token, which has the
largest id: the text tower reads its answer at the first place of the largest id.
"""

from __future__ import annotations

import gzip
import html
import importlib.util
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from bindstream.errors import InvalidInput, WeightsError
from encoders.imagebind import vocabulary

PAD, START, UNKNOWN = 0, 1, 2
"""First ids of a word list; words follow from 3, the end token is the last."""
_FIRST_WORD = 3
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_CLIP_MERGES = 48_894
_SPECIALS = ("<|startoftext|>", "<|endoftext|>")
_CLIP_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_MAX_CHARACTERS = 10_000  # beyond any model's context; bounds the work of a hostile text


class Tokenizer(Protocol):
    """Texts -> ids."""

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """B texts -> int64 (B, context_length). Raises InvalidInput for what is not a text."""

    def unknown(self, text: str) -> list[str]:
        """The words of a text that mean nothing to the weights."""


def tokenizer_for(vocabulary: Mapping[str, Any] | None, context_length: int) -> Tokenizer:
    """The tokenizer that a card's ``vocabulary`` describes; None: CLIP's byte pairs.

    Raises MissingExtra where CLIP's vocabulary is not installed, WeightsError for a kind of
    vocabulary that is not known.
    """
    if vocabulary is None:
        return ClipTokenizer(context_length)
    if vocabulary.get("kind") != "words":
        raise WeightsError(
            f"vocabulary: wants kind 'words', got {vocabulary.get('kind')!r}: written by a newer"
            " version?"
        )
    return WordTokenizer(vocabulary.get("words", ()), context_length)


class WordTokenizer:
    """A list of lower-case words; what is not in it becomes the one unknown id.

    In a weights file's card: ``{"kind": "words", "words": [...]}``. Ids: 0 pad, 1 start,
    2 unknown, 3... the words in order, last the end token; so the model's ``vocab_size`` is
    ``len(words) + 4``. A text is cut into runs of letters and digits (an apostrophe inside a word
    stays); everything else only separates. Train with some words replaced by unknown, so
    that a text with a new word still means what its other words mean.
    """

    def __init__(self, words: Sequence[str], context_length: int) -> None:
        bad = sorted({w for w in words if words.count(w) > 1 or _words(w) != [w]})
        if not words or bad:
            raise WeightsError(f"vocabulary: wants different lower-case words, got {bad or 'none'}")
        self.context_length = context_length
        self.end = _FIRST_WORD + len(words)
        self.vocab_size = self.end + 1
        self._ids = {word: n for n, word in enumerate(words, start=_FIRST_WORD)}

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """B texts -> int64 (B, context_length)."""
        rows = [[self._ids.get(w, UNKNOWN) for w in _words(_text(t))] for t in texts]
        return _framed(rows, START, self.end, self.context_length)

    def unknown(self, text: str) -> list[str]:
        """The words of a text that this vocabulary does not have."""
        return [word for word in _words(text) if word not in self._ids]


class ClipTokenizer:
    """CLIP's byte pair encoding (Radford et al. 2021): 49,408 ids, start 49406, end 49407.

    ``vocabulary`` says where the merges come from; nothing is downloaded here. As the
    reference cuts: start + pairs, cut to 76, then the end. The strings ``<|startoftext|>`` and
    ``<|endoftext|>`` in a text are plain characters here: read as ids they would move the place
    where the text tower is read. ``specials=True`` gives the reference's reading of them.
    """

    def __init__(self, context_length: int = 77, *, specials: bool = False) -> None:
        import regex  # knows \p{L}

        merges = _clip_merges()
        self.context_length = context_length
        self._bytes = _byte_letters()
        letters = list(self._bytes.values())
        symbols = letters + [c + "</w>" for c in letters] + ["".join(pair) for pair in merges]
        self._ids = {symbol: n for n, symbol in enumerate((*symbols, *_SPECIALS))}
        self._ranks = {pair: n for n, pair in enumerate(merges)}
        marked = "|".join(map(re.escape, _SPECIALS)) + "|" if specials else ""
        self._split = regex.compile(marked + _CLIP_SPLIT, regex.IGNORECASE)
        self._specials = frozenset(_SPECIALS if specials else ())
        self._pairs = lru_cache(maxsize=20_000)(self._merge)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """B texts -> int64 (B, context_length)."""
        start, end = (self._ids[special] for special in _SPECIALS)
        rows = [self._encode(clean(_text(t))) for t in texts]
        return _framed(rows, start, end, self.context_length)

    def unknown(self, text: str) -> list[str]:  # noqa: ARG002
        """None: any text is made of known byte pairs."""
        return []

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for piece in self._split.findall(text):
            if piece in self._specials:
                ids.append(self._ids[piece])
            else:
                ids += self._pairs("".join(self._bytes[b] for b in piece.encode()))
        return ids

    def _merge(self, piece: str) -> list[int]:
        """Join the neighbours that were joined first in training, until none is left to join."""
        parts = [*piece[:-1], piece[-1] + "</w>"]
        while len(parts) > 1:
            pairs = set(pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, _CLIP_MERGES))
            if best not in self._ranks:
                break
            parts = _joined(parts, best)
        return [self._ids[part] for part in parts]


def clean(text: str) -> str:
    """As the reference cleans: mend encodings (where ftfy is installed), unescape HTML twice,
    one space for any white space, lower case."""
    fix = _ftfy()
    text = html.unescape(html.unescape(fix(text) if fix else text))
    return " ".join(text.split()).lower()


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    n = 0
    while n < len(parts):
        both = tuple(parts[n : n + 2]) == pair
        joined.append("".join(pair) if both else parts[n])
        n += 2 if both else 1
    return joined


def _framed(rows: list[list[int]], start: int, end: int, length: int) -> Tensor:
    """Rows of ids -> start + ids, cut to length - 1, + end, then zeros."""
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    for n, row in enumerate(rows):
        framed = [start, *row[: length - 2], end]
        ids[n, : len(framed)] = torch.tensor(framed)
    return ids


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _text(text: str) -> str:
    if not isinstance(text, str):
        raise InvalidInput(f"text: wants a string, got {type(text).__name__}")
    return text[:_MAX_CHARACTERS]


@cache
def _byte_letters() -> dict[int, str]:
    """Byte -> a printable letter, in CLIP's order: printable bytes stand for themselves, the
    others take the letters from 256 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    moved = {b: chr(256 + n) for n, b in enumerate(others)}
    return {b: chr(b) for b in plain} | moved


@cache
def _clip_merges() -> list[tuple[str, str]]:
    file = vocabulary.clip_file()
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        next(lines)  # a version line
        merges = [tuple(line.split()) for line, _ in zip(lines, range(_CLIP_MERGES), strict=False)]
    return [(pair[0], pair[1]) for pair in merges]


@cache
def _ftfy() -> Any:
    if importlib.util.find_spec("ftfy") is None:
        return None
    import ftfy

    return ftfy.fix_text
