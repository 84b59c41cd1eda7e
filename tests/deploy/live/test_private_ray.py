"""A Ray of our own: what it says when it does not start. (Its life: ``tests/system``.)"""

from __future__ import annotations

import os

import pytest

from deploy.live import leftovers, private_ray
from deploy.live.leftovers import Note
from deploy.live.private_ray import PrivateRay, cause

ADVICE = "less busy"


@pytest.mark.parametrize(
    ("error", "took_s", "advised"),
    [
        (PermissionError(13, "Permission denied"), 0.1, False),
        (Exception("The current node timed out during startup."), 61.0, True),
        (Exception(""), 0.1, False),
    ],
)
def test_only_what_took_long_is_put_down_to_a_busy_machine(error, took_s, advised):
    """Breaks if every cause gets the same advice, or a cause without words none at all."""
    said = cause(error, took_s)
    assert (ADVICE in said) == advised
    assert (str(error) or "Exception") in said


def test_prepare_makes_a_token(monkeypatch):
    """Breaks if a run would be without a token, or two runs would share one."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "foreign")
    private_ray.prepare()
    first = os.environ["RAY_AUTH_TOKEN"]
    private_ray.prepare()
    assert not {"RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(first) == 64
    assert os.environ["RAY_AUTH_TOKEN"] != first


def test_a_note_that_cannot_be_written_ends_no_run(monkeypatch, tmp_path, caplog):
    """Breaks if a disk that is full for a moment, while a run is changed, ends its robots."""
    monkeypatch.setattr(leftovers, "runtime_dir", lambda: tmp_path / "swept")
    ray = PrivateRay()
    ray._note = Note(tmp_path)
    ray.note()
    (said,) = caplog.messages
    assert "swept" in said
    assert "should this run be killed, some of its processes may stay" in said
    (tmp_path / "swept").mkdir()
    ray.note()
    assert list((tmp_path / "swept").glob("run-*.json"))
