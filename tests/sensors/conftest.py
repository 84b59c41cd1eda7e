"""What the tests of sensors share: a sound card."""

from __future__ import annotations

import pytest

from tests.devices.pulse import pulse_server


@pytest.fixture
def pulse(monkeypatch):
    """A private PulseAudio daemon, and this process pointed at it."""
    with pulse_server() as server:
        for key, value in server.environment.items():
            monkeypatch.setenv(key, value)
        yield server
