"""What the tests of sensors share: a sound card, and drivers that are closed at the end."""

from __future__ import annotations

import time

import pytest

from tests.devices.pulse import pulse_server


@pytest.fixture
def pulse(monkeypatch):
    """A private PulseAudio daemon, and this process pointed at it."""
    with pulse_server() as server:
        for key, value in server.environment.items():
            monkeypatch.setenv(key, value)
        yield server


@pytest.fixture
def opens():
    """Opens drivers, on the clock that is named, and closes them at the end."""
    drivers = []

    def open_one(driver, now_ns=time.time_ns):
        drivers.append(driver)
        driver.open(now_ns)
        return driver

    yield open_one
    for driver in drivers:
        driver.close()
