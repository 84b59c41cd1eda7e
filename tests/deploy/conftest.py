"""For every test of deploy/."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def places_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot that runs on the developer's machine is none of a test's business, nor the other way
    round: preflight looks at the robot's folders."""
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("BINDSTREAM_STATE_DIR", str(tmp_path / "state"))
