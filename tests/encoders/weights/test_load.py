"""Files load whole, fast and safely, or say what is wrong with them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders import imagebind
from encoders.imagebind.model import ImageBind
from encoders.weights import fingerprint
from encoders.weights import load as weights
from encoders.weights.card import read_card
from encoders.weights.load import load_model, space_id, tower_hash
from encoders.weights.saving import save
from tests.encoders.small_weights import CONFIG, write_small_weights


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_small_weights(tmp_path_factory.mktemp("small") / "small.safetensors")


class Evil:
    def __reduce__(self):
        return (print, ("code from a weights file ran",))


def test_a_pickle_with_code_is_refused_and_does_not_run(tmp_path, capsys):
    """Breaks if a downloaded file can run code."""
    path = tmp_path / "imagebind_huge.pth"
    torch.save({"modality_heads.imu.0.weight": Evil()}, path)
    with pytest.raises(WeightsError, match="refused: it holds more than tensors"):
        imagebind.load(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError, match=r"imagebind_huge\.pth: "):
        imagebind.load(path)
    assert "code from" not in capsys.readouterr().out


def test_pth_and_safetensors_give_the_same_model(tmp_path, small):
    """Breaks if one of the two readers changes a value or a dtype."""
    state = load_file(small)
    torch.save(state, tmp_path / "same.pth")
    a = imagebind.load(small).state_dict()
    b = imagebind.load(tmp_path / "same.pth", config=CONFIG).state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_truncated_files_are_named(tmp_path, small):
    """Breaks if half a download becomes a model, or a traceback."""
    whole = small.read_bytes()
    half = tmp_path / "half.safetensors"
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"half\.safetensors: .* cut short"):
        imagebind.load(half)
    torch.save(load_file(small), tmp_path / "whole.pth")
    half = tmp_path / "half.pth"
    half.write_bytes((tmp_path / "whole.pth").read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=r"half\.pth: .*cut short"):
        imagebind.load(half, config=CONFIG)


def test_all_wrong_keys_are_named_in_one_error(tmp_path, small):
    """Breaks if a user has to mend a file one key at a time."""
    state = load_file(small)
    del state["modality_heads.imu.3.weight"]
    state["modality_heads.imu.4.weight"] = torch.zeros(1)
    state["modality_trunks.audio.blocks.0.norm_1.weight"] = torch.zeros(7)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError) as error:
        imagebind.load(tmp_path / "w.safetensors", config=CONFIG)
    said = str(error.value)
    assert "1 missing: modality_heads.imu.3.weight" in said
    assert "1 unexpected: modality_heads.imu.4.weight" in said
    assert "modality_trunks.audio.blocks.0.norm_1.weight [7] instead of [48]" in said


def test_a_list_of_tensors_is_no_model(tmp_path):
    """Breaks if some other PyTorch file is taken for weights."""
    torch.save([torch.zeros(3)], tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        imagebind.load(tmp_path / "w.pth")


def test_weights_are_the_files_pages(small):
    """Breaks if loading copies: N processes would hold N copies."""
    model = load_model(small, modalities=[Modality.AUDIO])
    key = "modality_trunks.audio.blocks.0.mlp.fc1.weight"
    maps = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in maps if str(small) in line]
    address = model.state_dict()[key].data_ptr()
    assert any(int(a, 16) <= address < int(b, 16) for a, b in spans)


def test_bfloat16_keeps_what_must_stay_exact(small):
    """Breaks if a logit scale or the mask is rounded."""
    state = imagebind.load(small, dtype=torch.bfloat16).state_dict()
    kept = {k for k, v in state.items() if v.dtype == torch.float32}
    assert kept == {k for k in state if k.endswith(("log_logit_scale", ".mask"))}


def test_saving_keeps_every_value_and_the_card(tmp_path, small):
    """Breaks if a file cannot be read back as it was written."""
    card = read_card(small)
    state = load_file(small)
    save(state, tmp_path / "again.safetensors", card.said())
    again = read_card(tmp_path / "again.safetensors")
    assert (again.config, again.windows, again.vocabulary, again.space_id) == (
        (card.config, card.windows, card.vocabulary, card.space_id)
    )
    read = load_file(tmp_path / "again.safetensors")
    assert all(torch.equal(read[k], v) for k, v in state.items())
    assert list(tmp_path.glob("*.part")) == []


def test_saving_says_why_it_cannot(tmp_path, small):
    """Breaks if a full or read-only disk leaves half a file behind."""
    target = tmp_path / "file"
    target.write_bytes(b"")
    with pytest.raises(WeightsError, match="cannot be written"):
        save(load_file(small), target / "w.safetensors", {})
    with pytest.raises(WeightsError, match=r"cannot hold torch\.int8"):
        save({}, tmp_path / "w.safetensors", {}, torch.int8)


def test_the_space_is_the_image_towers_hash(tmp_path, golden_weights):
    """Breaks if files with one image tower would not be comparable, or other towers would."""
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(golden_weights.read_bytes())
    card = read_card(plain)
    assert card.space_id == "imagebind_huge:unverified"
    first = space_id(card)
    assert read_card(plain).space_id == first
    state = load_file(plain)
    assert first == f"imagebind_huge:{tower_hash(state)}"
    state["modality_heads.imu.3.weight"] += 1.0
    assert tower_hash(state) == first.split(":")[1]
    state["modality_heads.vision.2.weight"] += 1.0
    assert tower_hash(state) != first.split(":")[1]


def test_the_space_is_hashed_once(tmp_path, golden_weights, monkeypatch):
    """Breaks if every start reads the whole image tower."""
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(golden_weights.read_bytes())
    first = space_id(read_card(plain))
    monkeypatch.setattr(weights, "tower_hash", None)
    assert space_id(read_card(plain)) == first
    assert fingerprint.recalled(plain, "space_id") == first


def test_a_new_model_saves_and_loads(tmp_path):
    """Breaks if what a trainer made cannot be served."""
    from encoders.imagebind.config import ImageBindConfig

    torch.manual_seed(1)
    model = ImageBind(ImageBindConfig.of(CONFIG), ["imu"]).eval()
    said = {"name": "mine", "space_id": "mine:0", "config": CONFIG}
    save(model.state_dict(), tmp_path / "w.safetensors", said)
    x = torch.randn(2, 6, 2000)
    loaded = imagebind.load(tmp_path / "w.safetensors")
    assert loaded.modalities == (Modality.IMU,)
    assert torch.equal(model({"imu": x})["imu"], loaded({"imu": x})["imu"])
