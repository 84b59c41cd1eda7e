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

from bindstream.command.cli import main
from bindstream.errors import WeightsError
from bindstream.types import Modality
from deploy.verbs.embed import comparisons
from encoders.files.embed import FileEmbedder, Item
from encoders.imagebind.encoder import ImageBindEncoder
from encoders.weights.card import OFFICIAL, resolve
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


def embed(folder: Path, *words: object) -> int:
    """The command over those words, with the small weights."""
    usual = ["embed", "--device", "cpu", "--weights", str(folder / "w.safetensors")]
    return main([*usual, *map(str, words)])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Thirty pictures and a bad one, in a folder with a file of another kind."""
    for n in range(30):
        pixels = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"a_name_of_some_length_{n:02d}.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


@pytest.mark.parametrize("how", ["folder", "names"])
def test_many_files_go_on_after_a_bad_one(folder, pictures, capsys, how):
    """Breaks if one bad file of 31 costs all vectors, `*.png` is refused, or 0 tells that all
    was well."""
    given = [pictures] if how == "folder" else sorted(pictures.glob("*.png"))
    assert embed(folder, "--image", *given, "--text", "rain", "--json") == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 31
    assert [json.loads(line)["kind"] for line in out.splitlines()][-2:] == ["image", "text"]
    assert err.count("\n") == 1
    assert err.startswith(f"bindstream embed: {pictures / 'bad.png'}: not a picture")


def test_json_comes_as_it_is_made(folder, pictures):
    """Breaks if a long run that is stopped has printed nothing."""
    words = ["embed", "--device", "cpu", "--weights", folder / "w.safetensors", "--json"]
    script = Path(os.sys.executable).parent / "bindstream"
    with subprocess.Popen(
        [script, *words, "--image", pictures, *["--text", "rain"] * 2000],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["kind"] == "image"
        assert running.poll() is None
        running.kill()


def test_what_fits_no_table_is_a_list_of_the_nearest(folder, pictures, capsys, monkeypatch):
    """Breaks if thirty names of a table are squeezed to nothing at 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    assert embed(folder, "--image", pictures, "--text", "a dog barks", "rain") == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    cosine, softmax = "\n".join(lines).split("vision x text: softmax over the row")
    for n in range(30):
        assert cosine.count(f"\na_name_of_some_length_{n:02d}.png\n   ") == 1
        assert f"a_name_of_some_length_{n:02d}.png" in softmax
    block = cosine.split("\na_name_of_some_length_07.png\n")[1].splitlines()[:3]
    shares = [float(line.split()[0]) for line in block]
    assert shares == sorted(shares, reverse=True)
    assert not any("length_07" in line for line in block)  # itself is no neighbour


def test_folders_without_such_files_are_refused(folder, tmp_path, capsys):
    """Breaks if an empty folder is silently nothing."""
    assert embed(folder, "--depth", tmp_path) == 2
    assert f"{tmp_path}: holds no depth file" in capsys.readouterr().err


def same(capsys: pytest.CaptureFixture[str], count: int) -> None:
    """The last ``count`` vectors printed are one."""
    vectors = [json.loads(line)["vector"] for line in capsys.readouterr().out.splitlines()]
    assert len(vectors) == count
    for vector in vectors[1:]:
        assert np.dot(vector, vectors[0]) == pytest.approx(1.0, abs=1e-3)


def test_what_files_do_not_say_can_be_said(folder, tmp_path, capsys):
    """Breaks if an option that a message names changes nothing."""
    kelvin = RNG.uniform(290, 300, (48, 64))
    metres = RNG.uniform(1, 4, (48, 64))
    np.save(tmp_path / "k.npy", kelvin)
    np.save(tmp_path / "c.npy", kelvin - 273.15)
    np.save(tmp_path / "m.npy", metres)
    np.save(tmp_path / "mm.npy", metres * 1000)
    assert embed(folder, "--thermal", tmp_path / "c.npy") == 2
    assert "say --thermal-offset-k 273.15" in capsys.readouterr().err
    assert embed(folder, "--depth", tmp_path / "mm.npy") == 2
    assert "say --depth-unit-m 0.001" in capsys.readouterr().err
    assert embed(folder, "--thermal", tmp_path / "k.npy", "--json") == 0
    celsius = ["--thermal-offset-k", 273.15, "--json"]
    assert embed(folder, "--thermal", tmp_path / "c.npy", *celsius) == 0
    same(capsys, 2)
    assert embed(folder, "--depth", tmp_path / "m.npy", "--json") == 0
    assert embed(folder, "--depth", tmp_path / "mm.npy", "--depth-unit-m", 0.001, "--json") == 0
    same(capsys, 2)


def test_lines_of_telemetry_can_be_cut(folder, tmp_path, capsys):
    """Breaks if counters stay in the contrast of a picture."""
    kelvin = RNG.uniform(290, 300, (120, 160))
    np.save(tmp_path / "k.npy", kelvin)
    np.save(tmp_path / "t.npy", np.vstack([np.full((2, 160), 270.0), kelvin]))
    assert embed(folder, "--thermal", tmp_path / "t.npy") == 2
    assert "160x120 camera with 2 lines of telemetry" in capsys.readouterr().err
    for name, rows in (("k.npy", []), ("t.npy", ["--thermal-rows", "2:122"])):
        assert embed(folder, "--thermal", tmp_path / name, *rows, "--json") == 0
    same(capsys, 2)


def test_units_columns_and_rate_of_an_imu_are_taken_or_said(folder, tmp_path, capsys):
    """Breaks if g and deg/s pass for SI, or the rate is taken on trust beside a time column."""
    signal = moving(1100)
    raw = np.vstack([np.arange(1100) / 200, signal[:3] / 9.80665, np.rad2deg(signal[3:])])
    np.savetxt(tmp_path / "raw.csv", raw.T, delimiter=",")
    np.save(tmp_path / "si.npy", signal)
    assert embed(folder, "--imu", tmp_path / "raw.csv") == 2
    assert "the device seems to give g; if so, say --imu-unit g" in capsys.readouterr().err
    said = ["--imu-unit", "g,deg/s", "--json"]
    assert embed(folder, "--imu", tmp_path / "raw.csv", *said) == 0
    assert embed(folder, "--imu", tmp_path / "si.npy", "--imu-rate", 200, "--json") == 0
    same(capsys, 2)
    assert embed(folder, "--imu", tmp_path / "raw.csv", *said, "--imu-rate-hz", 400) == 2
    assert "its time column gives 200 Hz, --imu-rate-hz says 400" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        embed(folder, "--imu", tmp_path / "raw.csv", "--imu-unit", "furlongs")
    assert "wants one or two of m/s2, g, mg" in capsys.readouterr().err


def test_depth_with_nan_is_embedded(folder, tmp_path, capsys):
    """Breaks if NaN refuses a file of which the docs say that it is a hole."""
    metres = RNG.uniform(1, 4, (48, 64))
    metres[3, 4] = 0
    np.save(tmp_path / "zero.npy", metres)
    metres[3, 4] = np.nan
    np.save(tmp_path / "nan.npy", metres)
    assert embed(folder, "--depth", tmp_path / "zero.npy", tmp_path / "nan.npy", "--json") == 0
    same(capsys, 2)


def test_a_frame_that_cannot_be_encoded_is_named(folder, tmp_path, capsys):
    """Breaks if a covered lens ends in words about a stream that nobody has."""
    np.save(tmp_path / "dark.npy", np.zeros((4, 4)))
    assert embed(folder, "--depth", tmp_path / "dark.npy") == 2
    assert f"{tmp_path / 'dark.npy'}: no pixel holds a depth" in capsys.readouterr().err


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


def test_names_and_numbers_that_cannot_be_are_refused(folder, tmp_path, capsys):
    """Breaks if '' embeds the folder one stands in, a pipe is waited for or is 'no such file', an
    empty text is a vector, or a number that no camera has ends in a traceback."""
    os.mkfifo(tmp_path / "pipe.png")
    for words, says in [
        (["--image", ""], "--image: wants the name of a file or folder, got ''"),
        (["--image", str(tmp_path / "pipe.png")], "no plain file: "),
        (["--text", " "], "text: wants words, got ' '"),
    ]:
        assert main(["embed", *words]) == 2
        assert says in capsys.readouterr().err
    for option in ("--fx-px", "--depth-unit-m", "--thermal-unit-k", "--imu-rate-hz"):
        for number in ("1e-300", "1e300", "nan"):
            with pytest.raises(SystemExit):
                main(["embed", option, number])
            assert f"{option}: wants a number from" in capsys.readouterr().err
