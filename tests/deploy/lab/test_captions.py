"""Sentences about the world: every word known, nothing said that is not true."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab import captions
from encoders.imagebind.tokenizer import WordTokenizer
from sensors.world.state import FACTORS

TOKENIZER = WordTokenizer(captions.vocabulary(), 32)
SCENES = st.fixed_dictionaries(
    {
        f: st.lists(
            st.sampled_from(ws), min_size=1, max_size=2 if f == "object" else 1, unique=True
        )
        for f, ws in FACTORS.items()
    }
)


@given(SCENES, st.integers(0, 2**31))
def test_captions_use_known_words_and_mention_only_what_is_true(
    words: dict[str, list[str]], seed: int
) -> None:
    """Breaks if a phrase has a word that the shipped vocabulary lacks, or labels a sentence with
    more than it says."""
    text, mentions = captions.caption(words, random.Random(seed))
    assert text
    assert mentions
    assert TOKENIZER.unknown(text) == []
    assert all(set(said) <= set(words[factor]) for factor, said in mentions.items())
    assert int((TOKENIZER([text]) != 0).sum()) < 32  # nothing is cut off


@given(SCENES)
def test_the_full_caption_differs_wherever_the_scene_differs(words: dict[str, list[str]]) -> None:
    """Breaks if a factor is missing in the sentence that retrieval is measured with."""
    text = captions.full_caption(words)
    assert TOKENIZER.unknown(text) == []
    for factor, all_words in FACTORS.items():
        other = next(w for w in all_words if w not in words[factor])
        assert captions.full_caption({**words, factor: [other]}) != text


@pytest.mark.parametrize("factor", FACTORS)
def test_prompts_of_different_words_differ(factor: str) -> None:
    """Breaks if two answers of a question share a prompt: they could not be told apart."""
    asked = [captions.prompts(factor, word) for word in FACTORS[factor]]
    everything = [text for texts in asked for text in texts]
    assert len(set(everything)) == len(everything)
    assert all(TOKENIZER.unknown(text) == [] for text in everything)


def test_in_the_mirror_left_is_right_and_nothing_else_changes() -> None:
    """Breaks if a flipped picture would teach the wrong turn."""
    words = {"motion": ["turn left"], "object": ["dog"]}
    assert captions.mirrored(words) == {"motion": ["turn right"], "object": ["dog"]}
    assert captions.mirrored(captions.mirrored(words)) == words
