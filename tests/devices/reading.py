"""What a driver gave: for a while, or until its file ended."""

from __future__ import annotations

import time
from itertools import count

import pytest

from bindstream.errors import StreamEnded
from bindstream.types import Sample
from sensors.driver import Driver


def read_for(driver: Driver, seconds: float) -> list[Sample]:
    """All samples of an opened driver over some time."""
    samples: list[Sample] = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        samples += driver.read(0.2)
    return samples


def played(driver: Driver) -> list[Sample]:
    """Every sample of a file: opens the driver, reads to the end that it must report, closes."""
    samples: list[Sample] = []
    driver.open(time.time_ns)
    with pytest.raises(StreamEnded, match="ended"):
        samples.extend(sample for _ in count() for sample in driver.read(0.2))
    driver.close()
    return samples
