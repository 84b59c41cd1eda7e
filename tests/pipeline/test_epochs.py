"""Epochs only ever rise: over restarts, crashes and a full disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipeline.epochs import Epochs, state_dir


def test_epochs_rise_over_restarts(tmp_path):
    """Breaks if two lives of a stream could have the same number."""
    path = tmp_path / "rover.epochs.json"
    first = Epochs(path)
    assert first.last == 0
    assert [first.next() for _ in range(3)] == [1, 2, 3]
    assert Epochs(path).next() == 4


def test_an_epoch_is_on_disk_before_it_is_used(tmp_path, monkeypatch):
    """Breaks if a crash at any moment lets a number be given twice."""
    path = tmp_path / "rover.epochs.json"
    epochs = Epochs(path)
    epochs.next()
    synced: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())), fsync(fd)),
    )
    epochs.next()
    assert Path(synced[0]).suffix == ".new"
    assert synced[1] == str(tmp_path)  # the rename itself
    assert Epochs(path).last == 2


def test_a_number_that_could_not_be_kept_is_not_given_later(tmp_path, monkeypatch):
    """Breaks if a full disk makes the counter give a number that it gave before."""
    path = tmp_path / "rover.epochs.json"
    epochs = Epochs(path)
    epochs.next()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        epochs.next()
    monkeypatch.undo()
    assert epochs.next() > 1
    assert Epochs(path).last == epochs.last


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"last": "x"}', '{"last": null}'])
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
