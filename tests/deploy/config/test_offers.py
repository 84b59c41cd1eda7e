"""`check` refuses every encoder that could not do what is asked of it; nothing is loaded."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bindstream.command.cli import main
from deploy.config import offers
from deploy.config.file import load
from encoders.imagebind import vocabulary
from encoders.imagebind.encoder import ImageBindEncoder
from encoders.imagebind.model import ImageBind
from encoders.weights.load import tower_hash
from encoders.weights.saving import save
from tests.deploy.configs import IMU, write
from tests.encoders.conftest import GOLDEN
from tests.encoders.small_weights import write_small_weights

DEPTH = {"name": "depth", "modality": "depth", "driver": "world", "options": {"modality": "depth"}}
LABELS = {"who": {"words": ["dog", "rain"]}}
SEES = {"kind": "tests.encoders.test_offer:Plain", "weights": None}  # vision and text
NO_CLIP = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is not None, reason="the vocabulary is here"
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def clip_words(tmp_path_factory) -> Path:
    """A small model of the official structure whose words are CLIP's, as the official file's."""
    state = load_file(GOLDEN / "small_weights.safetensors")
    config = json.loads((GOLDEN / "config.json").read_text())["cfg"]
    said = {"name": "golden", "space_id": f"golden:{tower_hash(state)}", "config": config}
    path = tmp_path_factory.mktemp("golden") / "golden.safetensors"
    save({k: v.float() for k, v in state.items()}, path, said)
    return path


def refused(capsys, path: Path) -> str:
    capsys.readouterr()
    assert main(["check", str(path), "--no-ports"]) == 2
    return capsys.readouterr().err


def test_flipped_bytes_are_refused(tmp_path, capsys):
    """Breaks if `check` says fine of weights that will be refused, or give wrong vectors."""
    weights = write_small_weights(tmp_path / "w.safetensors")
    config = write(tmp_path, encoder={"weights": str(weights)})
    assert main(["check", str(config)]) == 0
    content = bytearray(weights.read_bytes())
    for place in range(300_000, 300_050):
        content[place] ^= 0xFF
    weights.write_bytes(content)
    said = refused(capsys, config)
    assert f"encoder 'encoder': {weights}: wants " in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_another_size_is_refused(tmp_path, capsys, suffix):
    """Breaks if a file without a card, whose keys are not the official ones, is found out by a
    replica after half a minute."""
    state = load_file(GOLDEN / "small_weights.safetensors")
    path = tmp_path / f"w{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    said = refused(capsys, write(tmp_path, encoder={"weights": str(path)}))
    assert f"encoder 'encoder': {path}: does not hold this model: " in said
    assert len(said.splitlines()) == 1


def test_a_stream_that_its_encoder_cannot_take_is_refused(tmp_path, capsys):
    """Breaks if a depth camera is given to a model that only sees: every window was dropped."""
    said = refused(capsys, write(tmp_path, DEPTH, encoder=SEES))
    assert "stream 'depth', encoder 'encoder': its encoder takes no depth, only vision" in said


def test_modalities_that_the_weights_do_not_hold_are_refused(tmp_path, capsys):
    """Breaks if what the constructor refuses is only found out there."""
    encoder = SEES | {"modalities": ["vision", "thermal", "imu"]}
    said = refused(capsys, write(tmp_path, IMU, encoder=encoder))
    assert "asks for imu, thermal, but" in said
    assert "holds text, vision" in said


def test_labels_without_words_are_refused(tmp_path, capsys):
    """Breaks if labels that nobody can answer are retried for ever in a log."""
    weights = str(write_small_weights(tmp_path / "w.safetensors"))
    deaf = {"weights": weights, "modalities": ["imu"]}
    said = refused(capsys, write(tmp_path, encoder=deaf, labels=LABELS))
    assert "robot 'robot': labels: 'who': its encoder 'encoder' knows no words (it has imu)" in said
    both = {"encoder": deaf, "speaks": {"weights": weights, "modalities": ["text"]}}
    robot = {"encoder": "speaks"}
    assert main(["check", str(write(tmp_path, encoder=both, robot=robot, labels=LABELS))]) == 0


def test_words_are_asked_of_the_robots_encoder(tmp_path):
    """Breaks if words are loaded where nobody asks for them, or not where somebody does."""
    encoders = {
        "encoder": {"kind": "tests.encoders.test_offer:Lidar", "weights": "w"},
        "speaks": {"weights": "bindstream_tiny"},
    }
    robot = {"encoder": "speaks"}
    config = load(write(tmp_path, DEPTH, encoder=encoders, robot=robot, labels=LABELS))
    assert offers.needed(config, "encoder") == {"depth"}
    assert offers.needed(config, "speaks") == {"text"}


def test_a_device_that_is_not_there(tmp_path, capsys):
    """Breaks if a GPU that is absent is found out after half a minute, or asked of a robot that
    is elsewhere."""
    weights = str(write_small_weights(tmp_path / "w.safetensors"))
    path = write(tmp_path, encoder={"weights": weights, "device": "cuda:77"})
    assert "encoder 'encoder': device 'cuda:77': not on this machine" in refused(capsys, path)
    assert main(["check", str(path), "--no-devices"]) == 0
    path = write(tmp_path, encoder={"weights": weights, "device": "gpu"})
    assert "device 'gpu': wants auto, cpu, cuda or cuda:N" in refused(capsys, path)


@NO_CLIP
def test_words_without_their_vocabulary_say_the_command(tmp_path, capsys, clip_words):
    """Breaks if `check` and `verify` are fine and the robot ends after half a minute, unsaid."""
    for extra in ({"labels": LABELS}, {"encoder_modalities": ["imu", "text"]}):
        encoder = {"weights": str(clip_words), "modalities": extra.pop("encoder_modalities", None)}
        said = refused(capsys, write(tmp_path, encoder=encoder, **extra))
        assert "encoder 'encoder': CLIP's vocabulary" in said
        assert "'bindstream weights fetch --vocabulary'" in said
        assert "[clip]" in said
    assert main(["weights", "verify", str(clip_words)]) == 1
    assert "'bindstream weights fetch --vocabulary'" in capsys.readouterr().err


@NO_CLIP
def test_a_robot_without_words_needs_no_vocabulary(tmp_path, capsys, clip_words, caplog):
    """Breaks if a robot that never speaks must fetch a list of words."""
    assert main(["check", str(write(tmp_path, encoder={"weights": str(clip_words)}))]) == 0
    encoder = ImageBindEncoder(str(clip_words), device="cpu")
    assert "text" not in encoder.modalities
    assert "loaded without text: CLIP's vocabulary" in caplog.text


@NO_CLIP
def test_the_official_keys_and_shapes(tmp_path, capsys):
    """Breaks if a file as big as the official one, without a card, is not looked through by its
    header alone."""
    with torch.device("meta"):
        state = ImageBind().state_dict()
    header, end = {}, 0
    for key, value in state.items():
        start, end = end, end + 4 * value.numel()
        header[key] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path = tmp_path / "imagebind_huge.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)  # takes no place on the disk
    said = refused(capsys, write(tmp_path, encoder={"weights": str(path)}, labels=LABELS))
    assert "CLIP's vocabulary" in said
    assert main(["check", str(write(tmp_path, encoder={"weights": str(path)}))]) == 0


@NO_CLIP
def test_the_vocabulary_is_had_by_its_hash(tmp_path, monkeypatch, clip_words):
    """Breaks if another file in the cache is read as CLIP's words, or the right one is not."""
    vocabulary.fetched().parent.mkdir(parents=True)
    vocabulary.fetched().write_bytes(b"another list")
    with pytest.raises(Exception, match=r"wanted 924691ac.*remove it and run 'bindstream weights"):
        vocabulary.clip_file()
    sha256 = hashlib.sha256(b"another list").hexdigest()
    monkeypatch.setattr(vocabulary, "SHA256", sha256)
    assert vocabulary.clip_file() == vocabulary.fetched()
    assert (
        main(["check", str(write(tmp_path, encoder={"weights": str(clip_words)}, labels=LABELS))])
        == 0
    )
