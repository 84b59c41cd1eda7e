"""Words become the reference's ids; small vocabularies degrade; no text breaks the tower."""

from __future__ import annotations

import importlib.util
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.errors import InvalidInput, MissingExtra, WeightsError
from encoders.imagebind import tokenizer
from encoders.imagebind.tokenizer import ClipTokenizer, WordTokenizer, tokenizer_for
from tests.encoders.conftest import GOLDEN

PROMPTS = json.loads((GOLDEN / "tokens.json").read_text())
END = 49407
needs_clip = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None, reason="needs the extra 'clip'"
)


@pytest.fixture(scope="module")
def clip():
    return ClipTokenizer()


@needs_clip
@pytest.mark.parametrize("prompt", PROMPTS, ids=range(len(PROMPTS)))
def test_gives_the_references_ids(prompt):
    """Breaks on any change of cleaning, splitting, merging or cutting."""
    ids = ClipTokenizer(specials=True)([prompt["text"]])
    assert ids.tolist() == [prompt["tokens"]]


@needs_clip
def test_special_strings_are_plain_text(clip):
    """Breaks if a user's text can move the place where the text tower is read."""
    (ids,) = clip(["a <|endoftext|> dog <|startoftext|>"]).tolist()
    assert ids.count(END) == 1
    assert ids.count(49406) == 1
    assert ids[0] == 49406


@needs_clip
@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_one_end_and_fits(clip, text):
    """Breaks if some character has no id, or a long text loses its end."""
    (ids,) = clip([text]).tolist()
    assert len(ids) == 77
    assert ids.count(END) == 1
    assert all(n == 0 for n in ids[ids.index(END) + 1 :])


def test_clip_without_its_extra_names_it(monkeypatch):
    """Breaks if a missing vocabulary ends in an import error nobody can act on."""
    monkeypatch.setattr(tokenizer.importlib.util, "find_spec", lambda name: None)
    tokenizer._clip_merges.cache_clear()
    with pytest.raises(MissingExtra, match=r"pip install .*\[clip\]"):
        ClipTokenizer()


WORDS = WordTokenizer(["a", "dog", "barks", "don't"], context_length=6)


def test_words_have_the_documented_ids():
    """Breaks if trained embeddings would be read at other ids."""
    assert WORDS.vocab_size == 8
    assert WORDS(["A dog, barks!"]).tolist() == [[1, 3, 4, 5, 7, 0]]
    assert WORDS(["don't"]).tolist() == [[1, 6, 7, 0, 0, 0]]
    assert WORDS([""]).tolist() == [[1, 7, 0, 0, 0, 0]]


def test_unknown_words_keep_their_place_and_can_be_named():
    """Breaks if an unknown word raises, or shifts its neighbours."""
    assert WORDS(["a purple dog"]).tolist() == [[1, 3, 2, 4, 7, 0]]
    assert WORDS.unknown("a purple dog") == ["purple"]


def test_long_texts_keep_their_end():
    """Breaks if cutting removes the token at which the tower is read."""
    assert WORDS(["a dog barks a dog barks"]).tolist() == [[1, 3, 4, 5, 3, 7]]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_ends_at_its_largest_id(text):
    """Breaks if an id above the end's can appear: argmax pooling would read elsewhere."""
    (ids,) = WORDS([text])
    assert ids.max() == ids[int(ids.argmax())] == WORDS.vocab_size - 1
    assert (ids == WORDS.vocab_size - 1).sum() == 1


@pytest.mark.parametrize("words", [[], ["dog", "dog"], ["Dog"], ["two words"], ["under_score"]])
def test_refuses_a_list_it_could_not_find_words_in(words):
    """Breaks if a word that no text can ever match is accepted."""
    with pytest.raises(WeightsError, match="vocabulary: wants"):
        tokenizer_for({"kind": "words", "words": words}, 6)


def test_refuses_an_unknown_kind_and_what_is_not_text():
    """Breaks if a newer file is misread, or a number reaches the regular expression."""
    with pytest.raises(WeightsError, match="kind 'words', got 'pieces'"):
        tokenizer_for({"kind": "pieces"}, 6)
    with pytest.raises(InvalidInput, match="wants a string, got int"):
        WORDS([3])
