"""A router as rmw_zenohd is one, in this process."""

from __future__ import annotations

import pytest

from tests.devices.ros2_robot import Router


@pytest.fixture
def router():
    with Router() as started:
        yield started
