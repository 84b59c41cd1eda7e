"""``bindstream index`` as a user runs it, with the shipped weights: Ray Data and its encoders."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as parquet
import pytest

from benchmarks._drive import record
from bindstream.types import SENSED, Modality
from deploy.index import bundle
from tests.devices.drives import drive, samples_of, write
from tests.system.cluster import Cluster
from tests.system.test_replay import digests, replay

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
ONE_HOUR_S = 3600.0
LONG_S = 330.0
"""The frames of such a drive fill three parts."""
KILLS = 3


def started(
    folder: Path,
    out: Path,
    files: list[Path],
    *words: str,
    env: Mapping[str, str] = os.environ,
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bindstream.command.cli", "index", *map(str, files)]
    command += ["--out", str(out), "--json", *words]
    (folder / "run").mkdir(exist_ok=True, mode=0o700)
    env = {
        **env,
        "BINDSTREAM_RUNTIME_DIR": str(folder / "run"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def index(
    folder: Path,
    out: Path,
    files: list[Path],
    *words: str,
    env: Mapping[str, str] = os.environ,
) -> tuple[int, list[Any], str]:
    """Exit code, what it told, and its complaints."""
    with started(folder, out, files, *words, env=env) as process:
        told, complaints = process.communicate(timeout=600)
    return process.returncode, [json.loads(line) for line in told.splitlines()], complaints


def rows(out: Path) -> list[tuple[Any, ...]]:
    """Every row of an index but its vector's, in order, and the bytes of that."""
    table = parquet.read_table(out / "embeddings")
    order = [("file", "ascending"), ("stream", "ascending"), ("seq", "ascending")]
    return [
        (r["file"], r["stream"], r["seq"], r["start_ns"], r["end_ns"], r["n_missing"], *r["vector"])
        for r in table.sort_by(order).to_pylist()
    ]


def of_streams(told: list[Any]) -> dict[str, tuple[int, str]]:
    return {one["stream"]: (one["windows"], one["digest"]) for one in told[:-1]}


def test_the_vectors_of_a_replay_with_any_number_of_workers(tmp_path):
    """Breaks if an index cuts other windows than a replay, encodes them in another way, or if what
    comes out hangs on how many encode."""
    file = write(tmp_path / "drive.mcap", drive(9.0))
    code, told, complaints = index(tmp_path, tmp_path / "one", [file], "--workers", "1")
    assert code == 0, complaints
    code, again, complaints = index(tmp_path, tmp_path / "two", [file], "--workers", "2")
    assert code == 0, complaints
    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    replayed = digests(replay(tmp_path / "replay", file, "--digest", "--speed", "max"))
    del replayed["scene"]
    assert of_streams(told) == of_streams(again) == replayed
    assert set(replayed) == {*map(str, SENSED)}
    assert told[-1]["encoded"] == sum(count for count, _ in replayed.values())


@pytest.mark.long
def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path):
    """Breaks if a kill costs a window, gives one twice, leaves half a file that is read as one, or
    if all of it is done again; or if the killed start's processes live on."""
    kinds = (Modality.THERMAL, Modality.IMU)
    file = record(tmp_path / "drive.mcap", LONG_S, kinds)
    begun_s = time.monotonic()
    code, told, complaints = index(tmp_path, tmp_path / "whole", [file])
    took_s = time.monotonic() - begun_s
    assert code == 0, complaints
    chance = random.Random(6)
    for _ in range(KILLS):
        killed_after(chance.uniform(0.3, 0.8) * took_s, tmp_path, file)
    code, resumed, complaints = index(tmp_path, tmp_path / "killed", [file])
    assert code == 0, complaints
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert of_streams(resumed) == of_streams(told)
    assert not list((tmp_path / "killed").rglob(".tmp*"))


def killed_after(seconds: float, folder: Path, file: Path) -> None:
    """As the kernel does it, when there is no memory."""
    with started(folder, folder / "killed", [file]) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            below = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            psutil.wait_procs(below, timeout=30)


@pytest.mark.long
def test_what_is_whole_is_not_encoded_again(tmp_path):
    """Breaks if a second start, or one with another recording beside, does all of it again."""
    old = write(tmp_path / "old.mcap", samples_of(Modality.THERMAL, seconds=4.0))
    new = write(tmp_path / "new.mcap", samples_of(Modality.THERMAL, seconds=6.0))
    assert index(tmp_path, tmp_path / "out", [old])[0] == 0
    code, told, complaints = index(tmp_path, tmp_path / "out", [old, new])
    assert code == 0, complaints
    windows = {Path(one["file"]).name: one["windows"] for one in told[:-1]}
    assert told[-1]["encoded"] == windows["new.mcap"] < sum(windows.values())
    code, told, _ = index(tmp_path, tmp_path / "out", [old, new])
    assert (code, told[-1]["encoded"], told[-1]["workers"]) == (0, 0, 0)
    assert len(rows(tmp_path / "out")) == sum(windows.values())


def test_one_fault_stops_nothing_else_and_is_an_exit_code(tmp_path):
    """Breaks if a broken recording costs the others, or the command says that all went well."""
    good = write(tmp_path / "good.mcap", samples_of(Modality.THERMAL, seconds=4.0))
    (bad := tmp_path / "bad.mcap").write_bytes(b"nothing of the kind")
    code, told, complaints = index(tmp_path, tmp_path / "out", [bad, good])
    assert code == 1
    assert "bad.mcap: is no MCAP" in complaints
    assert "Traceback" not in complaints
    assert [one["windows"] > 0 for one in told[:-1]] == [True]
    assert len(told[-1]["faults"]) == 1
    code, told, complaints = index(tmp_path, tmp_path / "none", [bad])
    assert (code, told) == (2, [])
    assert "Traceback" not in complaints


@pytest.mark.long
def test_ctrl_c_ends_it_at_once_and_whole(tmp_path):
    """Breaks if an interrupted index hangs in Ray, leaves processes, or says that all went well."""
    file = write(tmp_path / "drive.mcap", samples_of(Modality.THERMAL, seconds=60.0))
    with started(tmp_path, tmp_path / "out", [file]) as process:
        until_s = time.monotonic() + 120
        while not (below := psutil.Process(process.pid).children(recursive=True)):
            assert time.monotonic() < until_s, "Ray never started"
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _told, complaints = process.communicate(timeout=60)
    assert process.returncode == 130, complaints
    assert "Traceback" not in complaints
    _, alive = psutil.wait_procs(below, timeout=30)
    assert not alive
    assert index(tmp_path, tmp_path / "out", [file])[0] == 0


@pytest.mark.long
def test_on_a_cluster_it_is_a_guest(tmp_path):
    """Breaks if --address starts a Ray of its own, needs more than the cluster has and waits for
    ever, gives other vectors, or takes the cluster with it."""
    file = write(tmp_path / "drive.mcap", samples_of(Modality.THERMAL, seconds=6.0))
    assert index(tmp_path, tmp_path / "own", [file])[0] == 0
    with Cluster(tmp_path) as cluster:
        there = ["--address", f"127.0.0.1:{cluster.gcs}"]
        code, _told, complaints = index(
            tmp_path, tmp_path / "there", [file], *there, env=cluster.env
        )
        assert code == 0, complaints
        assert rows(tmp_path / "there") == rows(tmp_path / "own")
        too_many = [*there, "--workers", "9"]
        code, _told, complaints = index(
            tmp_path, tmp_path / "more", [file], *too_many, env=cluster.env
        )
        assert code == 1
        assert "9 workers need 9.5 CPUs, and this Ray has 2: fewer --workers" in complaints
        assert cluster.serve("status").returncode == 0


def test_parts_are_smaller_than_the_killed_drive():
    """Breaks if the drive of the test of kills fits one part: nothing would be resumed."""
    assert LONG_S * 2 > 2 * bundle.PART


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_an_hour_of_five_sensors_killed_five_times(tmp_path):
    """Breaks if length alone does what a short recording does not: memory, backlog, order."""
    file = record(tmp_path / "hour.mcap", ONE_HOUR_S)
    process = started(tmp_path, tmp_path / "whole", [file], "--workers", "2")
    begun_s = time.monotonic()
    assert process.wait(2 * 3600) == 0
    took_s = time.monotonic() - begun_s
    chance = random.Random(7)
    for _ in range(5):
        killed_after(chance.uniform(0.05, 0.35) * took_s, tmp_path, file)
    process = started(tmp_path, tmp_path / "killed", [file], "--workers", "1")
    assert process.wait(2 * 3600) == 0
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
