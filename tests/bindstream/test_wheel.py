"""What a stranger gets from ``pip install``: the wheel, without extras, in a fresh environment."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from bindstream import wire
from tests.bindstream.messages import embedding, scene
from tests.shell import AS_STARTED

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

READER = """
import sys, json
from bindstream import Embedding, Subscriber
with Subscriber(sys.argv[1], topics=["embedding/"], timeout_s=30) as stream:
    for n, e in zip(range(3), stream):
        assert isinstance(e, Embedding)
        print(json.dumps([e.stream, e.seq, e.vector.tolist(), e.age_ms is not None]))
"""


def _clean() -> dict[str, str]:
    """Without what points Python at this checkout (PYTHONPATH), as a stranger's machine is."""
    return {name: value for name, value in AS_STARTED.items() if not name.startswith("PYTHON")}


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env=_clean(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "-w",
        folder,
        ROOT / "bindstream",
        cwd=folder,
    )
    (wheel,) = folder.glob("bindstream-*.whl")
    _run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    _run(folder / "venv" / "bin" / "pip", "install", wheel, cwd=folder)
    return folder / "venv" / "bin"


@pytest.fixture
def robot() -> Iterator[str]:
    """The endpoint of a publisher that never stops."""
    context = zmq.Context()
    socket = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.LINGER, 0)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    stop = threading.Event()

    def publish() -> None:
        seq = 0
        while not stop.wait(0.02):
            for message in (embedding(seq), scene(seq)):
                socket.send_multipart(wire.encode(message))
            seq += 1
        socket.close()

    thread = threading.Thread(target=publish)
    thread.start()
    yield f"tcp://127.0.0.1:{port}"
    stop.set()
    thread.join()
    context.term()


def test_it_brings_three_distributions_and_no_more(fresh: Path) -> None:
    """Breaks if the base install grows, or its dependencies are not declared."""
    listed = json.loads(_run(fresh / "pip", "list", "--format=json", cwd=fresh))
    names = {entry["name"].lower() for entry in listed} - {"pip", "setuptools", "wheel"}
    assert names == {"bindstream", "numpy", "pyzmq", "msgspec"}


def test_it_subscribes(fresh: Path, robot: str) -> None:
    """Breaks if a program of a user's, with the base install alone, cannot read a robot."""
    rows = [
        json.loads(line)
        for line in _run(fresh / "python", "-I", "-c", READER, robot, cwd=fresh).splitlines()
    ]
    assert len(rows) == 3
    assert [row[0] for row in rows] == ["front"] * 3
    assert [row[1] for row in rows] == list(range(rows[0][1], rows[0][1] + 3))
    assert all(row[2:] == [[0.5, -0.5, 0.5, 0.5], True] for row in rows)


def test_its_command_listens(fresh: Path, robot: str) -> None:
    """Breaks if `bindstream listen` needs an extra."""
    out = _run(fresh / "bindstream", "listen", robot, "--count", "2", "--json", cwd=fresh)
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 2
    assert {row["kind"] for row in rows} <= {"embedding", "scene"}


def test_it_puts_one_package_beside_a_users_own(fresh: Path) -> None:
    """Breaks if `sensors`, `pipeline`, `encoders` or `deploy` land in a user's program."""
    code = "import importlib.metadata as m; print(*{f.parts[0] for f in m.files('bindstream')})"
    found = set(_run(fresh / "python", "-I", "-c", code, cwd=fresh).split())
    assert found - {"..", "bindstream-0.1.0.dist-info"} == {"bindstream"}


def test_its_other_verbs_name_the_robots_code(fresh: Path) -> None:
    """Breaks if a verb that the reader has not is a traceback."""
    command = [fresh / "bindstream", "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=_clean())
    assert done.returncode == 2
    assert "'bindstream run' needs bindstream-robot: " in done.stderr
    assert "-m pip install 'bindstream-robot[server]'" in done.stderr
    assert "Traceback" not in done.stderr
