"""What a killed run leaves behind is ended by the next one, and nothing else is. Real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.live.leftovers import Note, reap
from deploy.live.processes import Identity, boot_id, identity
from tests.patience import until

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time;"
    f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); print(p.pid, flush=True);"
    "time.sleep(600)"
)


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path))
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def record(
    folder: Path, owner: Identity, *processes: Identity, boot: str = ""
) -> tuple[Path, Path]:
    """A run's note as it stands on disk, and its temporary folder."""
    ray_folder = folder / "bs-ray"
    (ray_folder / "session").mkdir(parents=True, exist_ok=True)
    path = folder / f"run-{owner.pid}.json"
    content = {
        "boot": boot or boot_id(),
        "owner": owner,
        "folder": str(ray_folder),
        "processes": list(processes),
    }
    path.write_text(json.dumps(content))
    return path, ray_folder


def killed(process: subprocess.Popen[str]) -> Identity:
    """End a process without waiting for it: its identity stays behind as a zombie's."""
    owner = identity(process.pid)
    process.kill()
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    return owner


def test_leftovers_of_a_killed_run_are_ended(start, tmp_path):
    """Breaks if orphans of `kill -9` hold ports and devices for ever; also where nobody has
    waited for the dead owner (a container without an init)."""
    orphan = start(SLEEP)
    note, folder = record(tmp_path, killed(start(SLEEP)), identity(orphan.pid))
    assert reap() == 1
    assert not psutil.pid_exists(orphan.pid)
    assert not note.exists()
    assert not folder.exists()


def test_children_of_leftovers_are_ended_too(start, tmp_path):
    """Breaks if a replica that started after the last note outlives its run."""
    parent = start(PARENT)
    child = psutil.Process(int(parent.stdout.readline()))
    record(tmp_path, killed(start(SLEEP)), identity(parent.pid))
    assert reap() == 2
    parent.wait(60)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_one_that_does_not_listen_is_killed(start, tmp_path):
    """Breaks if a process that ignores SIGTERM survives the reaping."""
    orphan = start(STUBBORN)
    orphan.stdout.readline()
    record(tmp_path, killed(start(SLEEP)), identity(orphan.pid))
    assert reap() == 1
    assert not psutil.pid_exists(orphan.pid)


def test_a_run_that_lives_is_left_alone(start, tmp_path):
    """Breaks if a second run ends the first."""
    worker = start(SLEEP)
    note, folder = record(tmp_path, identity(os.getpid()), identity(worker.pid))
    assert reap() == 0
    assert worker.poll() is None
    assert note.exists()
    assert folder.exists()


def test_a_pid_that_was_given_to_somebody_else_is_spared(start, tmp_path):
    """Breaks if an innocent process is ended because it has an orphan's old number."""
    innocent = start(SLEEP)
    pid, ticks = identity(innocent.pid)
    record(tmp_path, killed(start(SLEEP)), Identity(pid, ticks - 3600))
    assert reap() == 0
    assert innocent.poll() is None


def test_a_clock_that_was_set_confuses_nobody(start, tmp_path, monkeypatch):
    """Breaks if a process is known by its start as a time of day: that moves when NTP sets the
    clock after boot, and then orphans are spared and a live run's folder is deleted."""
    orphan, worker = start(SLEEP), start(SLEEP)
    (tmp_path / "live").mkdir()
    _, dead_folder = record(tmp_path, killed(start(SLEEP)), identity(orphan.pid))
    note, folder = record(tmp_path / "live", identity(os.getpid()), identity(worker.pid))
    note = note.rename(tmp_path / note.name)
    as_told = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda p: as_told(p) + 3600)
    assert reap() == 1
    assert not psutil.pid_exists(orphan.pid)
    assert not dead_folder.exists()
    assert worker.poll() is None
    assert note.exists()
    assert folder.exists()


def test_a_note_of_another_boot_ends_no_process(start, tmp_path):
    """Breaks if after a reboot whoever has an orphan's old number and start is ended; and the
    folder of the run before the power cut goes."""
    innocent = start(SLEEP)
    note, folder = record(tmp_path, identity(os.getpid()), identity(innocent.pid), boot="another")
    assert reap() == 0
    assert innocent.poll() is None
    assert not note.exists()
    assert not folder.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"owner": null}', '{"owner": [1]}'])
def test_a_damaged_note_does_not_stop_a_run(start, tmp_path, text):
    """Breaks if one bad file in the runtime folder keeps every later run from starting."""
    (tmp_path / "run-1.json").write_text(text)
    assert reap() == 0


def test_own_notes_name_the_processes_below(start, tmp_path):
    """Breaks if what a run writes down is not what the next one reads."""
    worker = start(SLEEP)
    note = Note(tmp_path / "bs-x")
    note.write()
    (path,) = tmp_path.glob("run-*.json")
    noted = json.loads(path.read_text())
    assert Identity(*noted["owner"]) == identity(os.getpid())
    assert list(identity(worker.pid)) in noted["processes"]
    note.tear_up()
    assert not path.exists()


ADOPT = f"""
import subprocess, sys
import psutil
from deploy.live import processes

processes.adopt_orphans()
parent = subprocess.Popen([sys.executable, "-c", {PARENT!r}], stdout=subprocess.PIPE, text=True)
child = int(parent.stdout.readline())
parent.kill()
parent.wait()
print([p.pid for p in processes.below()] == [child])
processes.kill_all_below()
print(psutil.pid_exists(child))
"""


def test_a_process_whose_parent_died_is_ended_too(start):
    """Breaks if Ray's agents are out of sight, and so left, once the raylet above them is dead."""
    alone = start(ADOPT)
    assert alone.stdout.read().split() == ["True", "False"]
