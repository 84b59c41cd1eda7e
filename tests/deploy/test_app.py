"""The graph, as far as it is plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bindstream.types import Modality
from deploy import app
from deploy.config.file import AppArgs
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import ImageBind
from encoders.weights import saving
from tests.deploy.configs import IMU, TOY
from tests.encoders.small_weights import CONFIG

EARS = {"name": "ears", "modality": "audio", "driver": "world", "options": {"modality": "audio"}}


def loaded(encoder: Any, *streams: dict[str, Any]) -> list[tuple[Modality, ...] | None]:
    """What each encoder's replica is told to load."""
    args = AppArgs.model_validate({"encoder": encoder, "streams": list(streams)})
    bound = [app._encoder(args, one, 8)._bound_deployment for one in args.encoders]
    return [deployment.init_args[2] for deployment in bound]


def test_a_robot_with_one_sensor_loads_its_tower_and_the_words() -> None:
    """Breaks if six towers are loaded, tested and recorded for a robot that needs one."""
    assert loaded({"weights": "bindstream_tiny"}, IMU) == [(Modality.TEXT, Modality.IMU)]
    assert loaded({}, IMU, EARS) == [(Modality.TEXT, Modality.AUDIO, Modality.IMU)]


def test_each_of_several_loads_its_own() -> None:
    """Breaks if the second encoder loads what the first is asked for, or words twice."""
    hearing = {"name": "hearing", "modalities": ["audio"]}
    assert loaded([hearing, {"name": "rest"}], IMU, EARS) == [
        (Modality.AUDIO,),
        (Modality.TEXT, Modality.IMU),
    ]


def test_what_is_named_is_loaded() -> None:
    """Breaks if text cannot be left out, or a tower not be held ready."""
    assert loaded({"modalities": ["imu"]}, IMU) == [(Modality.IMU,)]


def test_weights_without_words_and_other_encoders_are_asked_for_none(tmp_path: Path) -> None:
    """Breaks if an encoder that cannot read is refused for the sake of /text."""
    model = ImageBind(ImageBindConfig.of(CONFIG), ["imu", "vision"])
    path = tmp_path / "mute.safetensors"
    said = {"name": "mute", "space_id": "mute:000000000000", "config": CONFIG}
    saving.save(model.state_dict(), path, said)
    assert loaded({"weights": str(path)}, IMU) == [(Modality.IMU,)]
    assert loaded(TOY, IMU) == [None]


def test_one_that_nobody_asks_is_what_it_was() -> None:
    """Breaks if it is started with nothing to load, and dies."""
    assert loaded([{"name": "all"}, {"name": "spare"}], IMU)[1] is None
