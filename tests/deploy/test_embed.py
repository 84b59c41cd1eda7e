"""Every kind of file and words become vectors of one space, and a matrix of how alike they are."""

from __future__ import annotations

import json
import os
import subprocess
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bindstream.errors import WeightsError
from bindstream.types import Modality
from deploy.cli import main
from deploy.embed import comparisons
from encoders.card import OFFICIAL, resolve
from encoders.file_embedding import FileEmbedder, Item
from encoders.imagebind_encoder import ImageBindEncoder
from tests.encoders.small_weights import write_small_weights

RNG = np.random.default_rng(0)
ASSETS = os.environ.get("IMAGEBIND_ASSETS")


def moving(n: int) -> np.ndarray:
    """(6, n) of an IMU that is shaken: m/s2, rad/s."""
    return RNG.normal(size=(6, n)) + np.array([0, 0, 9.81, 0, 0, 0])[:, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One file of each kind, and weights."""
    folder = tmp_path_factory.mktemp("files")
    write_small_weights(folder / "w.safetensors")
    Image.fromarray(RNG.integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(folder / "i.png")
    writer = cv2.VideoWriter(str(folder / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(30):
        writer.write(RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()
    with wave.open(str(folder / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(22050)
        sound.writeframes(RNG.integers(-9000, 9000, 60000, dtype=np.int16).tobytes())
    np.save(folder / "d.npy", RNG.uniform(1, 4, (48, 64)))
    np.save(folder / "t.npy", RNG.uniform(290, 300, (48, 64)))
    np.save(folder / "u.npy", moving(2100))
    return folder


def given(folder: Path) -> list[str]:
    pairs = [("image", "i.png"), ("video", "v.avi"), ("audio", "a.wav"), ("depth", "d.npy"),
             ("thermal", "t.npy"), ("imu", "u.npy")]  # fmt: skip
    words = ["--text", "a dog barks", "--text", "rain"]
    options = [word for kind, name in pairs for word in (f"--{kind}", str(folder / name))]
    return [
        "embed",
        "--device",
        "cpu",
        "--weights",
        str(folder / "w.safetensors"),
        *options,
        *words,
    ]


def test_json_gives_one_unit_vector_per_input(folder, capsys):
    """Breaks if a kind of file is misread, or scripts cannot read what comes."""
    assert main([*given(folder), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["kind"] for r in records] == (
        ["image", "video", "audio", "depth", "thermal", "imu", "text", "text"]
    )
    for record in records:
        assert record["dim"] == len(record["vector"]) == 64
        assert np.linalg.norm(record["vector"]) == pytest.approx(1.0, abs=1e-5)
    assert len({record["space_id"] for record in records}) == 1


def test_the_table_compares_all_with_all(folder, capsys, monkeypatch):
    """Breaks if the matrix loses a row, or words are not offered as a choice."""
    monkeypatch.setenv("COLUMNS", "200")
    assert main(given(folder)) == 0
    out = capsys.readouterr().out
    assert "cosine, in small:" in out
    assert "vision x text: softmax over the row" in out
    assert out.count("1.000") >= 8  # each is like itself


def test_refuses_before_loading(folder, capsys):
    """Breaks if a misspelt file name costs the loading of 4.8 GB first."""
    assert main(["embed", "--image", str(folder / "none.png"), "--weights", "absent"]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["embed"]) == 2
    assert "nothing to embed" in capsys.readouterr().err


def test_a_file_of_another_kind_is_one_clear_error(folder, capsys):
    """Breaks if a sound given as a picture ends in a traceback."""
    command = ["embed", "--weights", str(folder / "w.safetensors"), "--image"]
    assert main([*command, str(folder / "a.wav")]) == 2
    assert "a.wav: not a picture" in capsys.readouterr().err
    short = folder / "short.npy"
    np.save(short, moving(500))
    assert main([*command[:-1], "--imu", str(short)]) == 2
    assert "2000 samples at 400 Hz, got 500" in capsys.readouterr().err


def test_a_file_of_several_clips_is_their_mean(folder):
    """Breaks if a sound of three clips is compared otherwise than the reference does."""
    encoder = ImageBindEncoder(str(folder / "w.safetensors"), modalities=["audio"], device="cpu")
    item = FileEmbedder(encoder).embed("audio", str(folder / "a.wav"))
    assert np.linalg.norm(item.vector) == pytest.approx(1.0, abs=1e-6)
    scale = np.linalg.norm(item.scaled)
    assert 0 < scale <= 20.0 + 1e-4
    assert np.allclose(item.scaled / scale, item.vector, atol=1e-6)


def test_shares_are_softmax_of_the_scaled_products():
    """Breaks if choices are compared by bare cosines, which makes all of them look equal."""
    unit = np.array([1.0, 0.0], np.float32)
    other = np.array([0.0, 1.0], np.float32)
    items = [
        Item("image", "i", Modality.VISION, unit, unit),
        Item("text", "a", Modality.TEXT, unit, 10 * unit),
        Item("text", "b", Modality.TEXT, other, 10 * other),
    ]
    ((rows, columns, shares),) = comparisons(items)
    assert (len(rows), len(columns)) == (1, 2)
    assert shares[0, 0] == pytest.approx(1 / (1 + np.exp(-10)))


def _official() -> bool:
    try:
        return resolve(OFFICIAL).is_file() and ASSETS is not None
    except WeightsError:
        return False


@pytest.mark.long
@pytest.mark.skipif(
    not _official(), reason="needs imagebind_huge and its pictures (IMAGEBIND_ASSETS=folder)"
)
def test_gives_the_figures_of_imagebinds_readme(capsys):
    """Breaks if anything from file to figure differs from the published model."""
    names = {"image": "{}_image.jpg", "audio": "{}_audio.wav"}
    subjects = ("dog", "car", "bird")
    encoder = ImageBindEncoder(
        OFFICIAL, modalities=["vision", "audio", "text"], device="cpu", dtype="float32"
    )
    embedder = FileEmbedder(encoder)
    items = [
        embedder.embed(kind, str(Path(ASSETS or "") / name.format(subject)))
        for kind, name in names.items()
        for subject in subjects
    ]
    items += [embedder.embed("text", words) for words in ("A dog.", "A car", "A bird")]
    found = {(r[0].modality, c[0].modality): shares for r, c, shares in comparisons(items)}
    wanted = {
        ("vision", "text"): [[0.99761, 0.00237, 0.0], [0.0, 0.99994, 0.0], [0.0, 0.0135, 0.98646]],
        ("audio", "text"): np.eye(3),
        ("vision", "audio"): [[0.8070, 0.1088, 0.0842], [0.1036, 0.7884, 0.1079],
                              [0.0018, 0.0022, 0.9960]],
    }  # fmt: skip
    for pair, shares in wanted.items():
        assert np.allclose(found[pair], shares, atol=2e-3)


def test_the_command_itself_runs(folder):
    """Breaks if the installed command cannot import what embedding needs."""
    command = [*given(folder)[:5], "--text", "rain", "--json"]
    done = subprocess.run(
        ["bindstream", *command],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{Path(os.sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["input"] == "rain"
