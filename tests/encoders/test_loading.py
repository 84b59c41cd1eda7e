"""A name becomes an encoder, or one clear error."""

from __future__ import annotations

import pytest

from bindstream.errors import ConfigError
from bindstream.types import Modality
from encoders.loading import load_encoder


def test_a_dotted_name_is_imported_and_given_its_options():
    """Breaks if a user's own encoder cannot be named, or does not get what was configured."""
    name = "tests.system.toy_encoder:ToyEncoder"
    encoder = load_encoder(name, None, modalities=(Modality.AUDIO,), slow_s=0.0)
    assert encoder.modalities == {Modality.AUDIO}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("imagebnd", "unknown encoder 'imagebnd'; known: imagebind"),
        ("no_such_module:Encoder", "No module named 'no_such_module'"),
        ("tests.system.toy_encoder:Absent", "has no attribute 'Absent'"),
    ],
)
def test_a_name_that_leads_nowhere_says_so(name, said):
    """Breaks if a slip in the name ends in a traceback."""
    with pytest.raises(ConfigError, match=said):
        load_encoder(name, None)
