"""How many readings a second come."""

from __future__ import annotations

import numpy as np
import pytest

from bindstream.types import Modality, Sample
from pipeline.sensing.rate_meter import RateMeter


def sample(arrival_ns: int = 0, n: int = 6) -> Sample:
    return Sample("s", arrival_ns, np.zeros(n, np.float32), arrival_ns)


def test_rate_counts_audio_samples_not_chunks():
    """Breaks if a microphone's rate is shown as chunks a second, or a dead stream as alive."""
    meter = RateMeter(Modality.AUDIO)
    for i in range(30):
        meter.add(sample(i * 100_000_000, n=1600))
    assert meter.rate_hz(29 * 100_000_000) == pytest.approx(16_000)
    assert meter.rate_hz(60 * 1_000_000_000) == 0.0
