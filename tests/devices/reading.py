"""What a driver gave: for a while, or until its file ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import pytest

from bindstream.errors import StreamEnded
from bindstream.types import Sample
from sensors.driver import Driver
from tests.patience import PATIENCE_S, until


def read_for(driver: Driver, seconds: float) -> list[Sample]:
    """All samples of an opened driver over some time."""
    samples: list[Sample] = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        samples += driver.read(0.2)
    return samples


def read_until(driver: Driver, enough: Callable[[list[Sample]], object]) -> list[Sample]:
    """All samples of an opened driver until there are enough of them."""
    samples: list[Sample] = []
    until(lambda: samples.extend(driver.read(0.2)) or enough(samples), lambda: len(samples))
    return samples


def first(driver: Driver, wanted: Callable[[Sample], bool] = lambda _: True) -> Sample:
    """The next sample, or the next of a kind."""
    return next(s for s in read_until(driver, lambda all_: any(map(wanted, all_))) if wanted(s))


def until_lost(driver: Driver) -> None:
    """Read on until the driver raises; or, after a time in which any would, no more."""
    read_for(driver, PATIENCE_S)


def played(driver: Driver) -> list[Sample]:
    """Every sample of a file: opens the driver, reads to the end that it must report, closes."""
    samples: list[Sample] = []
    driver.open(time.time_ns)
    with pytest.raises(StreamEnded, match="ended"):
        samples.extend(sample for _ in count() for sample in driver.read(0.2))
    driver.close()
    return samples


def played_whole(make: Callable[[], Driver]) -> tuple[Driver, list[Sample]]:
    """The same, and the driver, with no frame passed over, as one rightly is where the reader had
    no time for a period: then it is played again by another driver."""
    for _ in range(5):
        driver = make()
        samples = played(driver)
        if not driver.counters["skipped"]:
            break
    return driver, samples
