"""The command itself: its verbs, wrong words, pipes, terminals and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bindstream import __version__
from bindstream.command.cli import VERBS, main
from tests.deploy.configs import write

COMMAND = [sys.executable, "-m", "bindstream.command.cli"]


def bindstream(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | environment,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
    )


def test_alone_it_lists_its_verbs(capsys):
    """Breaks if a newcomer who types the command alone learns nothing, or a script takes it for
    a success."""
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    for name, (_, text) in VERBS.items():
        assert f"  {name:9}{text}" in said.err.splitlines()
    assert max(map(len, said.err.splitlines())) <= 80


@pytest.mark.parametrize("words", [["help"], ["--help"], ["-h"]])
def test_help_is_a_success(words, capsys):
    """Breaks if asking for help is an error."""
    assert main(words) == 0
    assert "doctor" in capsys.readouterr().out


def test_the_version(capsys):
    """Breaks if a report of a fault cannot name what was run."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bindstream {__version__}\n"


@pytest.mark.parametrize("verb", [*VERBS])
def test_help_of_a_verb_fits_80_columns(verb, capsys, monkeypatch):
    """Breaks if 'help VERB' is no help, or its lines are folded by the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main(["help", verb])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: bindstream {verb}")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("typed", "meant"), [("doktor", "doctor"), ("listne", "listen"), ("hlep", "help")]
)
def test_a_misspelt_verb_is_answered_with_the_right_one(typed, meant, capsys):
    """Breaks if the nearest verb is not named."""
    assert main([typed]) == 2
    assert f"unknown verb '{typed}'; did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("plan --jsn", "unknown option '--jsn'; did you mean '--json'?"),
        ("plan a.yaml b.yaml", "cannot use 'b.yaml'"),
        ("weights fetsh", "'fetsh' is not one of fetch, verify, convert; did you mean 'fetch'?"),
        ("weights verify --sha 1 --jsno", "did you mean '--json'?"),
        ("listen --count many", "--count: wants a whole number, 1 or more, got 'many'"),
        ("listen --seconds 0", "--seconds: wants a number above 0, got '0'"),
        ("listen --seconds nan", "--seconds: wants a number above 0, got 'nan'"),
        ("listen robot", "'robot' is no endpoint; want HOST:PORT"),
        ("status robot", "'robot' is no endpoint; want HOST:PORT"),
        ("status http://127.0.0.1:8000", "cannot subscribe to 'http://127.0.0.1:8000'"),
        ("run --seconds soon", "--seconds: wants a number above 0, got 'soon'"),
        ("run --seconds -5", "--seconds: wants a number above 0, got '-5'"),
        ("eval --split tets", "'tets' is not one of test, held_out; did you mean 'test'?"),
        ("eval --scenes few", "--scenes: wants a whole number"),
        ("eval --dtype half", "'half' is not one of auto, float32, bfloat16"),
        ("bind --modality IMU", "did you mean 'imu'?"),
        ("bind --steps 0", "--steps: wants a whole number, 1 or more, got '0'"),
        ("bind --write-pairs /tmp/x --scenes -1", "--scenes: wants a whole number"),
        ("embed --dtype float", "did you mean 'float32'?"),
        ("embed --fx-px wide", "--fx-px: wants a number from 1 to 100000, got 'wide'"),
        ("check no-such.yaml", "no-such.yaml: No such file or directory"),
        ("check .", ".: Is a directory"),
    ],
)
def test_each_wrong_word_is_answered_in_a_sentence(words, said, capsys):
    """Breaks if a wrong word ends in a traceback, in the whole usage or in exit code 0."""
    try:
        code = main(words.split())
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "usage:" not in error
    assert len(error.splitlines()) <= 2


def test_a_place_that_cannot_be_written_is_named(capsys):
    """Breaks if a full or forbidden folder ends in a traceback."""
    assert main(["bind", "--write-pairs", "/proc/pairs", "--scenes", "41"]) == 1
    assert capsys.readouterr().err == "bindstream bind: /proc/pairs: No such file or directory\n"


def test_a_disk_that_is_full_is_told_without_a_traceback():
    """Breaks if `listen > file` on a full disk ends in a riddle, or as a success."""
    command = [sys.executable, "-m", "bindstream.command.cli", "help"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ("bindstream: the output cannot be written: No space left on device\n")


def test_a_reader_that_leaves_at_once_is_no_error(tmp_path):
    """Breaks if ``bindstream plan | true`` ends in a complaint: what is printed stays in the
    buffer until the end, where nobody catches the broken pipe."""
    line = " ".join([*COMMAND, "plan", str(write(tmp_path)), "|", "true"])
    line += '; echo "${PIPESTATUS[0]}"'
    told = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert (told.stdout, told.stderr) == ("0\n", "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_utf_8(encoding, tmp_path):
    """Breaks if a letter that the terminal does not have ends a command."""
    missing = tmp_path / "犬.yaml"
    told = bindstream("check", str(missing), PYTHONIOENCODING=encoding, COLUMNS="80")
    assert told.returncode == 2
    assert r"\u72ac.yaml: No such file" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_c_locale(tmp_path):
    """Breaks if a container without a locale cannot read a configuration that is in UTF-8."""
    path = write(tmp_path, labels={"what": {"words": ["ein Gerät", "犬"]}})
    path.write_text(path.read_text().replace(r"\u72ac", "犬").replace(r"\xE4", "ä"))
    for locale in (
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ):
        told = bindstream("plan", str(path), **locale)
        assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(
    "words",
    [["listen", "127.0.0.1:9", "--count", "1"], ["status", "127.0.0.1:9"], ["doctor"], ["plan"]],
    ids=lambda words: words[0],
)
def test_control_c_is_130_without_a_traceback(words):
    """Breaks if whoever stops a command reads our insides."""
    process = subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _until_it_runs(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    # 1: listen had fewer than --count. -SIGINT: Python was on its way out, and dies of the signal,
    # which a shell tells as 130 too.
    assert process.returncode in (130, 1, -signal.SIGINT)


def test_control_c_is_quiet_in_workers_too(tmp_path):
    """Breaks if the processes that render scenes print their tracebacks over one another."""
    words = ["bind", "--recipe", "tiny", "--out", str(tmp_path / "t.safetensors")]
    process = subprocess.Popen(
        [*COMMAND, *words, "--scenes", "5000", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 200
    while time.monotonic() < until and not any(map(_has_torch, _children(process.pid))):
        time.sleep(0.05)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    assert process.returncode == 130


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def _has_torch(process: psutil.Process) -> bool:
    """Whether it is importing torch."""
    try:
        return "libtorch" in Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:
        return False


def _until_it_runs(pid: int) -> None:
    """Until Python has put its own handler for Ctrl-C in place, and imported numpy."""
    until = time.monotonic() + 200
    maps = Path(f"/proc/{pid}/maps")
    while "numpy" not in maps.read_text() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
