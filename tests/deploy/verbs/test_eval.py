"""``bindstream eval``, and what the shipped weights promise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bindstream.command import cli
from bindstream.types import SENSED, Modality
from deploy.lab import captions, eval_live, eval_scores, following
from deploy.verbs import eval
from encoders.loading import load_encoder

SCENES = 240


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], Path]:
    """The lines of one run on the shipped weights, and its picture."""
    picture = tmp_path_factory.mktemp("eval") / "maps" / "eval.png"
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        words = ["eval", "--scenes", str(SCENES), "--seed", "77", "--json"]
        assert cli.main([*words, "--picture", str(picture)]) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()], picture


def test_lines_are_the_contract(printed: tuple[list[dict[str, object]], Path]) -> None:
    """Breaks if a script that reads the lines would miss a key or a pair."""
    lines, picture = printed
    words = [line for line in lines if "factor" in line]
    recalls = [line for line in lines if "query" in line]
    assert all(set(w) == {"modality", "factor", "accuracy", "chance", "emergent"} for w in words)
    assert all(set(r) == {"query", "gallery", "recall_at_1", "recall_at_10"} for r in recalls)
    assert len(words) == len(SENSED) * 6
    assert len(recalls) == 6 * 5
    assert {w["modality"] for w in words if not w["emergent"]} == {"vision"}
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("modality", "factor", "least"),
    [
        ("vision", "object", 0.92),
        ("audio", "object", 0.92),
        ("thermal", "object", 0.92),
        ("depth", "distance", 0.92),
        ("imu", "motion", 0.95),
    ],
)
def test_shipped_weights_name_what_they_promise(
    printed: tuple[list[dict[str, object]], Path], modality: str, factor: str, least: float
) -> None:
    """Breaks if the shipped file, a front end or the fast path loses what training reached
    (a little below the promise: few scenes)."""
    (line,) = [w for w in printed[0] if (w.get("modality"), w.get("factor")) == (modality, factor)]
    accuracy = line["accuracy"]
    assert isinstance(accuracy, float)
    assert accuracy >= least


def test_what_a_sensor_cannot_see_stays_near_chance(
    printed: tuple[list[dict[str, object]], Path],
) -> None:
    """Breaks if a factor leaks into a sensor that cannot observe it."""
    for line in printed[0]:
        if (
            "factor" in line
            and line["factor"] not in eval_scores.VISIBLE[Modality(line["modality"])]
        ):
            assert line["accuracy"] <= 1.5 * line["chance"], line  # type: ignore[operator]


def test_an_unknown_word_does_not_change_the_answer() -> None:
    """Breaks if a word outside the vocabulary turns a prompt into noise."""
    encoder = load_encoder("imagebind", None, modalities=[Modality.TEXT])
    plain = encoder.encode_text([f"a {name}" for name in captions.FACTORS["object"]])
    strange = encoder.encode_text([f"a zorblatt {name}" for name in captions.FACTORS["object"]])
    assert ((strange @ plain.T).argmax(axis=1) == np.arange(len(plain))).mean() >= 0.9


def test_too_few_scenes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if a meaningless evaluation could be printed."""
    assert cli.main(["eval", "--scenes", "3"]) == 2
    assert "at least 20" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 60, 200])
def test_its_tables_fit(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if a pipe or a narrow terminal cuts a sensor, a factor or a figure."""
    monkeypatch.setenv("COLUMNS", str(width))
    factors = list(captions.FACTORS)
    words = [eval_scores.Score(m, f, 1.0, 0.0625, f != "light") for m in SENSED for f in factors]
    names = [*map(str, SENSED), "text"]
    recalls = [eval_scores.Recall(q, g, 0.995, 1.0) for q in names for g in names if q != g]
    eval._print_tables(eval_scores.Scores(words, recalls, 200), "bindstream_tiny:0, 1000 scenes")
    live = following.Score("distance", 580, 0.985, 0.01, 40, 2, 1.5, 12.25, 5.5)
    eval_live.print_table([live])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    said = " ".join(lines).replace(":", " ").split()
    assert {*names, *factors, "100.0", "(100.0)", "99.5", "distance", "98.5", "12.2"} <= set(said)
