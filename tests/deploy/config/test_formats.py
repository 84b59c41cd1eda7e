"""Windows are what the weights were trained with; anything else is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bindstream.errors import ConfigError
from bindstream.types import Modality
from deploy.config.file import EncoderArgs, StreamArgs
from deploy.config.formats import window_formats

TOY = EncoderArgs(kind="tests.system.toy_encoder:ToyEncoder", weights=None)
GOLDEN = EncoderArgs(weights="tests/golden/imagebind/small_weights.safetensors")


def stream(modality: Modality, **changes: Any) -> StreamArgs:
    return StreamArgs(name="s", modality=modality, driver="world", **changes)


@pytest.mark.parametrize(
    ("modality", "length_s", "frames"),
    [
        (Modality.VISION, 2.0, 2),
        (Modality.AUDIO, 2.0, 0),
        (Modality.DEPTH, 0.5, 1),
        (Modality.THERMAL, 0.5, 1),
        (Modality.IMU, 5.0, 0),
    ],
)
def test_an_encoder_that_does_not_say_gets_imagebinds_windows(modality, length_s, frames):
    """Breaks if a user's encoder is fed windows of another length than documented."""
    assert window_formats(TOY, stream(modality)) == (length_s, frames)


def test_a_single_frame_is_looked_for_in_the_last_hop():
    """Breaks if a slow depth stream looks too short a time back."""
    assert window_formats(TOY, stream(Modality.DEPTH, hop_s=2.0)) == (2.0, 1)


def test_a_users_encoder_may_choose_its_length():
    """Breaks if only ImageBind's windows can be had."""
    assert window_formats(TOY, stream(Modality.AUDIO, length_s=1.0)) == (1.0, 0)


def test_weights_decide_and_other_lengths_are_refused():
    """Breaks if a model is fed what it never saw in training."""
    assert window_formats(GOLDEN, stream(Modality.AUDIO))[0] == 2.0
    assert window_formats(GOLDEN, stream(Modality.AUDIO, length_s=2.0))[0] == 2.0
    with pytest.raises(ConfigError, match=r"length_s is 1, but .* trained with 2 s windows"):
        window_formats(GOLDEN, stream(Modality.AUDIO, length_s=1.0))


def test_absent_weights_name_the_encoder():
    """Breaks if one cannot tell which of several encoders has no weights."""
    absent = EncoderArgs(name="hears", weights="absent.safetensors")
    with pytest.raises(ConfigError, match="encoder 'hears': absent"):
        window_formats(absent, stream(Modality.AUDIO))
