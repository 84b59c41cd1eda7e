"""Windows are what the encoder takes; anything else is refused before a start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bindstream.errors import ConfigError
from bindstream.formats import Map, Sound, WindowFormat
from bindstream.types import Modality
from deploy.config.formats import window_format
from encoders.imagebind.window_formats import USUAL
from tests.deploy.configs import TOY, made

GOLDEN = {"weights": "tests/golden/imagebind/small_weights.safetensors"}


def stream(modality: str, **changes: Any) -> dict[str, Any]:
    return {"name": "s", "modality": modality, "driver": "world", **changes}


def cut(folder: Path, encoder: dict[str, Any], modality: str, **changes: Any) -> WindowFormat:
    config = made(folder, stream(modality, **changes), encoder=encoder)
    return window_format(config, config.streams[0])


@pytest.mark.parametrize("modality", USUAL)
def test_an_encoder_that_does_not_say_gets_imagebinds_windows(tmp_path, modality):
    """Breaks if a user's encoder is fed windows of another form than documented."""
    assert cut(tmp_path, TOY, modality.value) == USUAL[modality]


def test_a_single_frame_is_looked_for_in_the_last_hop(tmp_path):
    """Breaks if a slow depth stream may be told another length than the hop that it looks back."""
    assert cut(tmp_path, TOY, "depth", hop_s=2.0, length_s=2.0) == Map()
    with pytest.raises(ConfigError, match=r"length_s is 1, but its encoder takes 2 s of depth"):
        cut(tmp_path, TOY, "depth", hop_s=2.0, length_s=1.0)


def test_weights_decide_and_other_lengths_are_refused(tmp_path):
    """Breaks if a model is fed what it never saw in training, or the line leaves open whose
    windows, of which encoder, or what to do."""
    assert cut(tmp_path, GOLDEN, "audio").length_s == 2.0
    assert cut(tmp_path, GOLDEN, "audio", length_s=2.0).length_s == 2.0
    wanted = r"stream 's', encoder 'encoder' \(.*small_weights.safetensors\): length_s is 1, but"
    with pytest.raises(ConfigError, match=f"{wanted} .*2 s of audio: leave length_s out"):
        cut(tmp_path, GOLDEN, "audio", length_s=1.0)


def test_absent_weights_name_the_encoder(tmp_path):
    """Breaks if one cannot tell which of several encoders has no weights."""
    encoders = {"encoder": TOY, "hears": {"weights": "absent.safetensors"}}
    config = made(tmp_path, stream("audio", encoder="hears"), encoder=encoders)
    with pytest.raises(ConfigError, match="encoder 'hears': absent"):
        window_format(config, config.streams[0])


def test_each_stream_has_its_own_encoders_windows(tmp_path):
    """Breaks if two encoders in one file give their streams the windows of the first."""
    kind = "tests.deploy.config.test_formats:Short"
    encoders = {"encoder": TOY, "short": {"kind": kind, "weights": None}}
    pair = (stream("audio"), stream("audio", name="t", encoder="short"))
    config = made(tmp_path, *pair, encoder=encoders)
    assert [window_format(config, s).length_s for s in config.streams] == [2.0, 0.5]


class Short:
    """A user's encoder that takes half a second of sound."""

    def __init__(self, weights: str | None, **_: Any) -> None:
        raise AssertionError("nothing is loaded to tell its windows")

    @classmethod
    def offer(cls, weights: str | None) -> Any:
        from encoders.offer import Offer

        windows = {Modality.AUDIO: Sound(length_s=0.5, rate_hz=8_000)}
        return Offer(frozenset({Modality.AUDIO}), windows)
