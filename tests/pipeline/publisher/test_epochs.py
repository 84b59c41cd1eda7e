"""Epochs only ever rise: over restarts, crashes and a full disk."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from pipeline.publisher.epochs import RESERVED, Epochs, state_dir


@pytest.fixture
def early(monkeypatch):
    """A machine without a clock: it is 1970."""
    monkeypatch.setattr(time, "time", lambda: 0.0)


def test_epochs_rise_over_restarts(tmp_path, early):
    """Breaks if two lives of a stream could have the same number."""
    path = tmp_path / "rover.epochs.json"
    first = Epochs(path)
    assert [first.next() for _ in range(3)] == [1, 2, 3]
    assert Epochs(path).next() > 3
    again = Epochs(path)
    numbers = []
    for _ in range(100):
        numbers.append(again.next())
        again.reserve()
    assert numbers == sorted(set(numbers))
    assert Epochs(path).next() > numbers[-1]


def test_a_lost_folder_gives_no_number_twice(tmp_path):
    """Breaks if a new container, or a cleaned disk, starts at 1 again: connected readers would take
    every message for a duplicate."""
    path = tmp_path / "rover.epochs.json"
    before = Epochs(path).next()
    path.unlink()
    assert before >= int(time.time()) - 60
    time.sleep(1.1)
    assert Epochs(path).next() > before


def test_a_folder_that_is_lost_while_it_runs_silences_nobody(tmp_path):
    """Breaks if a folder that somebody cleaned away is never made again: once the reserve is used
    no stream would start any more."""
    folder = tmp_path / "state"
    folder.mkdir()
    epochs = Epochs(folder / "rover.epochs.json")
    shutil.rmtree(folder)
    given = []
    for _ in range(2 * RESERVED):
        given.append(epochs.next())
        epochs.reserve()
    assert given == sorted(set(given))
    assert json.loads((folder / "rover.epochs.json").read_text())["last"] >= given[-1]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_epoch_is_on_disk_before_it_is_used(tmp_path, monkeypatch):
    """Breaks if a crash at any moment lets a number be given twice."""
    path = tmp_path / "rover.epochs.json"
    synced: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())), fsync(fd)),
    )
    epochs = Epochs(path)
    assert Path(synced[0]).suffix == ".new"
    assert synced[1] == str(tmp_path)  # the rename itself
    given = [epochs.next() for _ in range(RESERVED)]
    assert json.loads(path.read_text())["last"] == given[-1]


def test_giving_a_number_never_waits_for_the_disk(tmp_path, monkeypatch):
    """Breaks if a stream that starts holds up the publisher's sockets for an fsync."""
    epochs = Epochs(tmp_path / "rover.epochs.json")
    monkeypatch.setattr(os, "fsync", lambda fd: pytest.fail("waited for the disk"))
    assert epochs.next() < epochs.next()


def test_a_full_disk_is_told_once_the_reserve_is_used(tmp_path, monkeypatch, early):
    """Breaks if a full disk costs a start while numbers are left, or makes the counter give a
    number that it gave before."""
    path = tmp_path / "rover.epochs.json"
    epochs = Epochs(path)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    given = [epochs.next() for _ in range(RESERVED)]
    with pytest.raises(OSError, match="No space left"):
        epochs.reserve()
    with pytest.raises(OSError, match="no epoch is left"):
        epochs.next()
    monkeypatch.undo()
    epochs.reserve()
    assert epochs.next() > given[-1]
    assert Epochs(path).next() > epochs.next()


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[1]", '{"last": "x"}', '{"last": null}'),
        *('{"last": 1e400}', '{"last": -1}', '{"last": 9e30}', "[" * 100_000),
    ],
    ids=lambda text: text[:20],
)
def test_a_damaged_counter_is_refused(tmp_path, text):
    """Breaks if a damaged file silently starts over at 1, below what readers have seen."""
    path = tmp_path / "rover.epochs.json"
    path.write_text(text)
    with pytest.raises(OSError, match=r"rover\.epochs\.json is damaged"):
        Epochs(path)


def test_state_dir_is_private_and_follows_its_variables(tmp_path, monkeypatch):
    """Breaks if counters land where another session would not find them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("BINDSTREAM_STATE_DIR", raising=False)
    assert state_dir() == tmp_path / "state" / "bindstream"
    monkeypatch.setenv("BINDSTREAM_STATE_DIR", str(tmp_path / "own"))
    assert state_dir() == tmp_path / "own"
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
