"""A file says what it is without torch, and a broken one says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bindstream.errors import WeightsError
from bindstream.formats import Frames, Motion
from bindstream.types import Modality
from encoders.weights.card import OFFICIAL, SHIPPED, read_card, resolve

TENSORS = {
    "modality_trunks.vision.blocks.0.norm_1.weight": torch.zeros(4),
    "modality_trunks.imu.blocks.0.norm_1.weight": torch.zeros(4),
}
SAID = {
    "name": "tiny",
    "space_id": "tiny:0123456789ab",
    "config": {"out_embed_dim": 128},
    "windows": {"vision": {"frames": 2, "length_s": 0.2}},
    "vocabulary": {"kind": "words", "words": ["dog"]},
}


def written(folder: Path, said: object = SAID, name: str = "w.safetensors") -> Path:
    path = folder / name
    metadata = None if said is None else {"bindstream": json.dumps(said)}
    save_file(TENSORS, path, metadata=metadata)
    return path


def test_reads_what_the_file_says(tmp_path):
    """Breaks if a field of the card is lost or a default replaces it."""
    card = read_card(written(tmp_path))
    assert (card.name, card.space_id, card.dim) == ("tiny", "tiny:0123456789ab", 128)
    assert card.modalities == {Modality.VISION, Modality.IMU}
    assert card.windows == {
        Modality.VISION: Frames(frames=2, length_s=0.2, size_px=224),
        Modality.IMU: Motion(length_s=5.0, steps=2000),
    }
    assert card.vocabulary == SAID["vocabulary"]


def test_a_file_without_a_card_is_taken_for_the_official_one(tmp_path):
    """Breaks if the official weights need a card that they do not have."""
    card = read_card(written(tmp_path, None))
    assert (card.name, card.dim) == (OFFICIAL, 1024)
    assert card.windows[Modality.VISION] == Frames(frames=2, length_s=2.0, size_px=224)
    pth = tmp_path / "imagebind_huge.pth"
    pth.write_bytes(b"PK")
    assert read_card(pth).modalities == frozenset(Modality)


def test_needs_no_torch(tmp_path):
    """Breaks if validating a configuration would load torch (2 s, 260 MB)."""
    path = written(tmp_path)
    code = (
        f"import sys; from encoders.weights.card import read_card; read_card({str(path)!r});"
        " sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cut short"),
        (b"\xff" * 64, "not a safetensors file"),
        (b"\x02" + b"\0" * 7 + b"[]", "not a safetensors file"),
        (b"\x02" + b"\0" * 7 + b"{}", "holds no ImageBind tower"),
    ],
)
def test_says_what_is_wrong_with_a_broken_file(tmp_path, content, says):
    """Breaks if junk ends in a traceback."""
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=says):
        read_card(path)


def test_a_truncated_file_is_named_as_such(tmp_path):
    """Breaks if a download that stopped half way passes for whole."""
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(WeightsError, match=r"its header wants .* cut short"):
        read_card(path)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"space_id": "x:0"}, "not complete"),
        ({"name": "x", "space_id": "x:0", "config": {"widht": 3}}, "unknown key 'widht'"),
        (["name"], "not a JSON object"),
    ],
)
def test_a_card_that_is_not_complete_is_refused(tmp_path, said, says):
    """Breaks if a half-written card becomes a model with default sizes."""
    with pytest.raises(WeightsError, match=says):
        read_card(written(tmp_path, said))


def test_names_that_are_no_file_say_how_to_get_one(tmp_path, monkeypatch):
    """Breaks if a missing file does not lead to the command that brings it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="bindstream weights fetch"):
        resolve(OFFICIAL)
    with pytest.raises(WeightsError, match=f"'{SHIPPED}' is shipped"):
        resolve(tmp_path / "none.safetensors")
    (tmp_path / "bindstream").mkdir()
    fetched = tmp_path / "bindstream" / "imagebind_huge.pth"
    fetched.write_bytes(b"")
    assert resolve(OFFICIAL) == fetched
