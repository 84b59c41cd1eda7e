"""An encoder says what it is and needs before it is loaded, and without torch."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bindstream.errors import ConfigError, MissingExtra, WeightsError
from bindstream.formats import Frames, Map
from bindstream.types import Modality
from encoders import device
from encoders.imagebind.encoder import ImageBindEncoder
from encoders.imagebind.window_formats import USUAL
from encoders.offer import Offer, offer_of
from encoders.open_clip import folder as open_clip_folder
from tests.encoders.small_weights import write_small_weights

HERE = "tests.encoders.test_offer"


class Lidar:
    """A user's own encoder that says what it is."""

    def __init__(self, weights, *, modalities=None, device="auto", dtype="auto", beams=16):
        raise AssertionError("not to be constructed")

    @classmethod
    def offer(cls, weights, *, beams=16):
        if weights is None:
            raise WeightsError("a lidar encoder needs 'weights'")
        return Offer(frozenset({Modality.DEPTH}), {Modality.DEPTH: Map(size_px=64)})


class Plain:
    """One that says its modalities alone."""

    modalities = ("vision", "text")
    windows = {"vision": Frames(size_px=96)}  # noqa: RUF012

    def __init__(self, weights, *, modalities, device, dtype):
        raise AssertionError("not to be constructed")


class Silent:
    def __init__(self, weights, **options):
        raise AssertionError("not to be constructed")


class Broken(Silent):
    @staticmethod
    def offer(weights, **options):
        raise ZeroDivisionError("no beams")


class Muddled(Silent):
    windows = {"audio": Frames(size_px=96)}  # noqa: RUF012


NOT_A_CLASS = 3


def test_the_shipped_weights_offer_what_they_hold_without_torch():
    """Breaks if `check` loads torch (2 s, 260 MB) to learn what an encoder is."""
    code = (
        "import sys; from encoders.offer import offer_of; offer = offer_of('imagebind', None, {});"
        " offer.verify(); assert len(offer.modalities) == 6 and not offer.lacks;"
        " import encoders.open_clip.folder, encoders.device; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_class_says_the_same_as_its_name():
    """Breaks if an encoder named 'module:Class' is checked less than the same by its short name."""
    named = offer_of("imagebind", None, {})
    dotted = offer_of("encoders.imagebind.encoder:ImageBindEncoder", None, {})
    assert (dotted.modalities, dotted.windows) == (named.modalities, named.windows)
    assert ImageBindEncoder.offer().modalities == named.modalities


def test_a_users_own_encoder_says_what_it_is():
    """Breaks if a plug-in cannot take part in `check`, or must."""
    said = offer_of(f"{HERE}:Lidar", "w", {"beams": 64})
    assert said.modalities == {Modality.DEPTH}
    assert said.formats() == {Modality.DEPTH: Map(size_px=64)}
    assert offer_of(f"{HERE}:Plain", None, {}).modalities == {Modality.VISION, Modality.TEXT}
    plain = offer_of(f"{HERE}:Plain", None, {})
    assert plain.formats() == {Modality.VISION: Frames(size_px=96)}
    assert offer_of(f"{HERE}:Silent", None, {}).formats() == USUAL
    assert offer_of(f"{HERE}:Silent", None, {"any": 1}).modalities is None


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("imagebnd", {}, "unknown kind 'imagebnd'; known: imagebind, open_clip"),
        ("imagebind", {"front_endz": {}}, "'front_endz'; its options: front_ends"),
        ("open_clip", {"size": 3}, "'size'; its options: none"),
        (f"{HERE}:Absent", {}, "has no attribute 'Absent'"),
        (f"{HERE}:NOT_A_CLASS", {}, "wants a class, got int"),
        (f"{HERE}:Lidar", {"beans": 1}, "'beans'; its options: beams"),
        (f"{HERE}:Muddled", {}, "windows: audio: its windows are Sound, got Frames"),
        (f"{HERE}:Broken", {}, "offer: ZeroDivisionError: no beams"),
        ("tests.no_such:Encoder", {}, "No module named 'tests.no_such'"),
    ],
)
def test_what_cannot_be_constructed_is_one_line(kind, options, says):
    """Breaks if a slip shows only when Ray runs, as "Failed to update the deployments"."""
    with pytest.raises(ConfigError) as caught:
        offer_of(kind, "w", options)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_front_end_that_is_none_and_weights_that_are_absent(tmp_path):
    """Breaks if ImageBind's offer is made without looking at what was configured."""
    with pytest.raises(WeightsError, match="scael"):
        offer_of("imagebind", None, {"front_ends": {"depth": {"scael": 1.0}}})
    with pytest.raises(WeightsError, match="no such weights file"):
        offer_of("imagebind", str(tmp_path / "none.safetensors"), {})
    with pytest.raises(WeightsError, match="needs 'weights'"):
        offer_of(f"{HERE}:Lidar", None, {})


def test_a_damaged_file_is_found_by_verify(tmp_path):
    """Breaks if `check` believes the header of a file whose tensors are damaged."""
    path = write_small_weights(tmp_path / "w.safetensors")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    offer = offer_of("imagebind", str(path), {})
    with pytest.raises(WeightsError, match="damaged"):
        offer.verify()


CLIP = {
    "model_cfg": {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64},
        "text_cfg": {"context_length": 77},
    }
}
SIGLIP = {
    "model_cfg": CLIP["model_cfg"] | {"text_cfg": {"hf_tokenizer_name": "timm/ViT-B-16-SigLIP"}}
}


def model_folder(folder: Path, config: object = CLIP) -> Path:
    folder.mkdir()
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "open_clip_config.json").write_text(text)
    save_file({"visual.proj": torch.zeros(4)}, folder / "open_clip_model.safetensors")
    return folder


@pytest.mark.skipif(importlib.util.find_spec("open_clip") is not None, reason="it is here")
def test_open_clip_without_its_extra_names_it(tmp_path):
    """Breaks if `check` is fine and the replica then dies for want of a library."""
    with pytest.raises(MissingExtra, match=r"pip install .*\[clip\]"):
        offer_of("open_clip", str(model_folder(tmp_path / "m")), {})


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("not json", "not a config that open_clip wrote"),
        ("[" * 100_000, "not a config that open_clip wrote"),
        ({"model_type": "siglip"}, "not a config that open_clip wrote ('model_cfg')"),
        ({"model_cfg": {"embed_dim": 3}}, "lacks ['vision_cfg', 'text_cfg']"),
    ],
)
def test_a_folder_of_something_else_is_one_line(tmp_path, config, says):
    """Breaks if a folder that is no OpenCLIP model's passes."""
    with pytest.raises(WeightsError) as caught:
        open_clip_folder.found(str(model_folder(tmp_path / "m", config)))
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_absent_an_empty_and_a_half_copied_folder(tmp_path):
    """Breaks if a folder without a whole model passes."""
    for folder, says in ((tmp_path / "none", "no such folder"), (tmp_path, "wants open_clip_conf")):
        with pytest.raises(WeightsError, match=says):
            open_clip_folder.found(str(folder))
    folder = model_folder(tmp_path / "m")
    assert open_clip_folder.found(str(folder)).lacks_words == ""
    file = folder / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="cut short"):
        open_clip_folder.found(str(folder))


def test_siglips_words_need_a_tokenizer_and_its_pictures_do_not(tmp_path):
    """Breaks if a SigLIP without transformers, or without its tokenizer's files, passes for words,
    or if its pictures are refused for it."""
    folder = model_folder(tmp_path / "m", SIGLIP)
    said = open_clip_folder.found(str(folder)).lacks_words
    assert "timm/ViT-B-16-SigLIP" in said
    without = importlib.util.find_spec("transformers") is None
    assert ("pip install transformers" if without else "copy the whole snapshot") in said


@pytest.mark.parametrize(
    ("name", "fine"),
    [("auto", True), ("cuda:1", True), ("gpu", False), ("cuda:", False), ("cuda:x", False)],
)
def test_a_devices_name(name, fine):
    """Breaks if a misspelt device is found out by a replica."""
    assert (device.name_fault(name) == "") is fine


def test_a_device_is_there_for_torch_where_it_is_for_us():
    """Breaks if `check` and the replica disagree about the GPUs of this machine."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    assert (device.absence("cuda") == "") is (count > 0)
    assert "not on this machine" in device.absence(f"cuda:{count}")
    assert device.absence("auto") == device.absence("cpu") == ""
