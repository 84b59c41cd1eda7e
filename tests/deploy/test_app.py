"""The graph, as far as it is plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bindstream.types import Modality
from deploy import app
from tests.deploy.configs import IMU, TOY, made


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (None, None),
        (["imu"], (Modality.IMU,)),
        (["text", "imu"], (Modality.TEXT, Modality.IMU)),
    ],
)
def test_what_is_named_is_loaded(tmp_path: Path, named: Any, told: Any) -> None:
    """Breaks if text cannot be left out, a tower not be held ready, or one of an encoder that does
    not say is left out: it may be shared by robots that another file names."""
    config = made(tmp_path, IMU, encoder=TOY | {"modalities": named})
    bound = app.encoder(config.encoders["encoder"])._bound_deployment
    assert bound.init_args[2] == told


def test_a_new_encoder_comes_before_the_old_one_goes() -> None:
    """Breaks if every stream must wait while a model loads."""
    from deploy.config.arguments import EncoderArgs

    bound = app.encoder(EncoderArgs(**TOY))._bound_deployment
    assert bound._deployment_config.max_surge_percent == 100
