"""Damage of any kind in a weights file is one line with its path, before anything is encoded."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bindstream.errors import WeightsError
from encoders import imagebind
from encoders.imagebind.encoder import ImageBindEncoder
from encoders.weights import integrity, sidecar
from encoders.weights.card import METADATA_KEY, read_card, read_header
from encoders.weights.convert import convert
from encoders.weights.load import load_model
from encoders.weights.saving import save
from tests.encoders.small_weights import CONFIG, write_small_weights

TOWERS = ("vision", "audio", "depth", "thermal", "imu", "text")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_small_weights(tmp_path_factory.mktemp("small") / "small.safetensors")


def flipped(source: Path, target: Path, start: int, end: int, count: int = 50) -> Path:
    """A copy with ``count`` bytes turned round between two places, its time stamp kept."""
    content = bytearray(source.read_bytes())
    for place in np.random.default_rng(1).integers(start, end, count):
        content[int(place)] ^= 0xFF
    target.write_bytes(content)
    stamp = source.stat().st_mtime_ns
    os.utime(target, ns=(stamp, stamp))
    return target


@pytest.mark.parametrize("tower", TOWERS)
def test_fifty_flipped_bytes_of_the_shipped_weights_are_refused(tmp_path, tower):
    """Breaks if a card's space_id is believed: the vectors would be wrong, and said to compare."""
    shipped = read_card(None).path
    _, entries = read_header(shipped)
    ours = [e for k, e in entries.items() if k.startswith(f"modality_trunks.{tower}.")]
    start, end = min(e.start for e in ours), max(e.end for e in ours)
    bad = flipped(shipped, tmp_path / "w.safetensors", start, end)
    with pytest.raises(WeightsError, match=r"w\.safetensors: wants [0-9a-f]{64} .* got .*fetch"):
        ImageBindEncoder(str(bad), device="cpu")


def test_a_file_that_was_sound_is_looked_at_again(tmp_path, small):
    """Breaks if a memory of the same path, size and time stands for the bytes of a small file."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(small.read_bytes())
    os.utime(path, ns=(10**18, 10**18))
    load_model(path)
    flipped(path, path, 200_000, path.stat().st_size)
    with pytest.raises(WeightsError, match="damaged"):
        load_model(path)


def test_a_number_in_the_card_is_covered_too(tmp_path, small):
    """Breaks if only tensors are compared: a front end's scale decides as much."""
    content = small.read_bytes()
    assert content.count(b'\\"scale\\": 1.0') == 1
    path = tmp_path / "w.safetensors"
    path.write_bytes(content.replace(b'\\"scale\\": 1.0', b'\\"scale\\": 8.0'))
    with pytest.raises(WeightsError, match="the SHA-256 that it carries"):
        load_model(path)


def test_a_space_that_another_image_tower_has_is_refused(tmp_path, small):
    """Breaks if a file written whole, but with another's space_id, is compared with its vectors."""
    state = load_file(small)
    state["modality_heads.vision.2.weight"] += 0.5
    save(state, tmp_path / "ours.safetensors", read_card(small).said())
    said = {METADATA_KEY: json.dumps(read_card(small).said())}
    save_file(state, tmp_path / "theirs.safetensors", metadata=said)  # carries no hash
    for path in (tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"):
        with pytest.raises(WeightsError, match="the image tower of 'small:"):
            imagebind.load(path)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_rounded_files_keep_their_space_and_are_sound(tmp_path, small, dtype):
    """Breaks if conversion makes files that are then refused, or compared with nothing."""
    half = tmp_path / "half.safetensors"
    convert(small, half, dtype)
    again = tmp_path / "again.safetensors"
    convert(half, again, "bfloat16")
    for path in (half, again):
        assert read_card(path).space_id == read_card(small).space_id
        integrity.verify(read_card(path))
    end = half.stat().st_size
    with pytest.raises(WeightsError, match="damaged"):
        load_model(flipped(half, tmp_path / "bad.safetensors", end - 90_000, end))


def test_a_large_file_is_read_once(tmp_path, small, monkeypatch):
    """Breaks if 4.8 GB are hashed at every start, or a later change is not seen."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(small.read_bytes())
    monkeypatch.setattr(integrity, "_SMALL_BYTES", 0)
    integrity.verify(read_card(path))
    hashed = []
    real = integrity.hash_file
    monkeypatch.setattr(
        integrity, "hash_file", lambda *a, **k: (hashed.append(a[0]), real(*a, **k))[1]
    )
    integrity.verify(read_card(path))
    assert hashed == []
    integrity.verify(read_card(path), again=True)
    assert hashed == [path]
    flipped(path, path, 200_000, path.stat().st_size)
    os.utime(path)
    with pytest.raises(WeightsError, match="damaged"):
        integrity.verify(read_card(path))


def test_a_hash_beside_the_file_is_compared(tmp_path, golden_weights):
    """Breaks if the hash that was fetched with a file is never looked at again."""
    path = tmp_path / "imagebind_huge.safetensors"  # carries no hash of its own
    path.write_bytes(golden_weights.read_bytes())
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    beside = tmp_path / "imagebind_huge.safetensors.sha256"
    beside.write_text(sidecar.line(path, good))
    integrity.verify(read_card(path))
    beside.write_text(sidecar.line(path, "0" * 64))
    with pytest.raises(WeightsError, match=f"wants {'0' * 64} .*sha256.*, got {good}"):
        integrity.verify(read_card(path))
    beside.write_text("<html>")
    with pytest.raises(WeightsError, match="wants a line of sha256sum's, got '<html>'"):
        integrity.verify(read_card(path))


def test_a_pths_own_checksums_are_compared(tmp_path, small):
    """Breaks if flipped bytes of a file without a card become vectors."""
    path = tmp_path / "w.pth"
    torch.save(load_file(small), path)
    imagebind.load(path, config=CONFIG)
    size = path.stat().st_size
    bad = flipped(path, tmp_path / "bad.pth", size // 2, size // 2 + 50_000)
    with pytest.raises(WeightsError, match=r"bad\.pth: damaged: the checksum of '.*/data/\d+'"):
        imagebind.load(bad, config=CONFIG)


class Evil:
    def __reduce__(self):
        return (print, ("code from a weights file ran",))


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_in_a_pth_is_named_for_what_it_is(tmp_path, capsys, archive):
    """Breaks if an encoder speaks of a missing vocabulary where code was about to run."""
    path = tmp_path / "imagebind_huge.pth"
    if archive:
        torch.save({"modality_trunks.vision.x": Evil()}, path)
    else:
        path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError, match=r"imagebind_huge\.pth: refused: .*code could run"):
        ImageBindEncoder(str(path), device="cpu")
    with pytest.raises(WeightsError, match="refused"):
        integrity.verify(read_card(path))
    assert "code from" not in capsys.readouterr().out


def test_integrity_needs_no_torch(tmp_path, small):
    """Breaks if `check` would load torch (2 s, 260 MB) to look at a file."""
    path = tmp_path / "w.pth"
    torch.save({"modality_trunks.imu.a": torch.zeros(2)}, path)
    code = (
        "import sys; from encoders.weights.card import read_card\n"
        "from encoders.weights import integrity;"
        f" cards = [read_card({str(small)!r}), read_card({str(path)!r})];"
        " [integrity.verify(card, again=True) for card in cards];"
        " assert [str(m) for m in cards[1].modalities] == ['imu'];"
        " sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def deep(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        deep('{"a":' * 200_000 + "1" + "}" * 200_000),
        deep('{"__metadata__":{"bindstream":"' + "[" * 200_000 + '"}}'),
        deep('{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}') + b"1234",
        deep('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,-4]}}'),
        deep('{"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}') + b"1234",
        deep('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}'),
        deep('{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}') + b"1234",
        deep('{"__metadata__":7}'),
        deep('{"__metadata__":{"bindstream":7},"modality_trunks":0}'),
    ],
    ids=range(9),
)
def test_headers_of_any_form_are_one_line(tmp_path, content):
    """Breaks if a header nested 200,000 deep, or of other types, ends in a traceback."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_card(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400 + len(str(path))


JUNK = [
    None,
    -1,
    0,
    1e300,
    float("nan"),
    "x",
    "",
    [],
    {},
    [[]],
    {"a": {}},
    True,
    10**400,
    "é" * 300,
]


def spoiled(rng: np.random.Generator, value: Any) -> Any:
    """``value`` with one part of it, at any depth, replaced by something of another kind."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = list(value)[int(rng.integers(len(value)))]
        return value | {key: spoiled(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = int(rng.integers(len(value)))
        return [*value[:place], spoiled(rng, value[place]), *value[place + 1 :]]
    return JUNK[int(rng.integers(len(JUNK)))]


def sound_or_said(path: Path, **options: Any) -> None:
    """Loads, or says in one line of reasonable length which file and why."""
    try:
        load_model(path, **options)
    except WeightsError as error:
        said = str(error)
    else:
        return
    assert said.startswith(str(path))
    assert len(said.splitlines()) == 1
    assert len(said) < 1500


def written_plainly(path: Path, said: Any, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, path, metadata={METADATA_KEY: json.dumps(said)})
    return path


def test_damaged_cards_are_one_line(tmp_path, small):
    """Breaks if some value of some type in a card ends in a traceback, or takes all memory."""
    rng = np.random.default_rng(0)
    said = read_card(small).said()
    tensors = {k: v for k, v in load_file(small).items() if ".imu." in k}
    for _ in range(250):
        sound_or_said(written_plainly(tmp_path / "w.safetensors", spoiled(rng, said), tensors))


def test_damaged_headers_are_one_line(tmp_path, small):
    """Breaks if turned bits in a header, wherever they are, end in a traceback."""
    rng = np.random.default_rng(0)
    tensors = {k: v for k, v in load_file(small).items() if ".imu." in k}
    path = written_plainly(tmp_path / "w.safetensors", read_card(small).said(), tensors)
    whole = path.read_bytes()
    length = 8 + int.from_bytes(whole[:8], "little")
    for n in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, length if n % 3 else 16, 1 + n % 4):
            content[int(place)] = int(rng.integers(256))
        path.write_bytes(content)
        sound_or_said(path)


@pytest.mark.parametrize("checked", [True, False], ids=["as it is", "checksums made right"])
def test_damaged_pickles_are_one_line(tmp_path, small, checked):
    """Breaks if a damaged .pth ends in a traceback, or runs anything."""
    rng = np.random.default_rng(0)
    plain = tmp_path / "plain.pth"
    torch.save({k: v for k, v in load_file(small).items() if ".imu." in k}, plain)
    whole, path = plain.read_bytes(), tmp_path / "w.pth"
    with zipfile.ZipFile(plain) as archive:
        members = {i.filename: archive.read(i) for i in archive.infolist()}
    pickled = next(name for name in members if name.endswith("data.pkl"))
    for n in range(150):
        content = bytearray(whole if checked else members[pickled])
        for place in rng.integers(0, len(content), 1 + n % 5):
            content[int(place)] = int(rng.integers(256))
        if checked:
            path.write_bytes(content if n % 5 else content[: int(rng.integers(len(content)))])
        else:
            with zipfile.ZipFile(path, "w") as archive:
                for name, part in (members | {pickled: bytes(content)}).items():
                    archive.writestr(name, part)
        sound_or_said(path, config=CONFIG, modalities=["imu"])
