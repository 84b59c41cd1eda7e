"""Rolling quantiles, and stages that add up."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindstream.types import Embedding, Modality
from pipeline.publisher.ages import STAGES, Ages, Rolling, stages_ms
from tests.pipeline.windows.oracle import MS, T0


def _embedding(published_ms: float = 60, encode_ms: float = 25.0) -> Embedding:
    return Embedding(
        robot="demo",
        stream="mic",
        modality=Modality.AUDIO,
        epoch=0,
        seq=0,
        start_ns=T0 - 2000 * MS,
        end_ns=T0,
        captured_ns=T0 + 8 * MS,
        windowed_ns=T0 + 9 * MS,
        encoded_ns=T0 + 50 * MS,
        published_ns=T0 + round(published_ms * MS),
        queue_ms=12.0,
        encode_ms=encode_ms,
        n_missing=0,
        space_id="",
        encoder_id="",
        vector=np.ones(3, np.float32),
    )


def test_stages_add_up_to_the_age() -> None:
    """Breaks if the table of where the time goes hides some of it."""
    stages = stages_ms(_embedding())
    assert list(stages) == list(STAGES)
    assert stages["age"] == 60.0
    assert sum(ms for stage, ms in stages.items() if stage != "age") == pytest.approx(60.0)
    assert stages["hop"] == pytest.approx(4.0)


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.floats(-1e6, 1e6)), min_size=1, max_size=60),
    st.sampled_from([4, 16, 64]),
)
def test_quantiles_of_what_is_young_enough(
    arrivals: list[tuple[int, float]], capacity: int
) -> None:
    """Breaks if old values linger, or new ones are lost before the capacity is reached."""
    rolling = Rolling(horizon_s=10.0, capacity=capacity)
    now_ns, seen = T0, []
    for step_ms, value in arrivals:
        now_ns += step_ms * MS
        rolling.add(now_ns, value)
        seen.append((now_ns, value))
    young = [v for t, v in seen[-capacity:] if t > now_ns - 10_000 * MS]
    summary = rolling.summary(now_ns)
    assert summary["n"] == len(young)
    assert summary["p50"] == pytest.approx(np.percentile(young, 50), abs=1e-3)
    assert summary["max"] == pytest.approx(max(young), abs=1e-3)


def test_nothing_is_said_of_nothing() -> None:
    """Breaks if an idle stream shows an age of 0, or of its last hour."""
    ages = Ages()
    assert ages.summary(T0)["age"] == {"n": 0}
    ages.add(_embedding())
    assert ages.summary(T0 + 61 * MS)["age"]["p99"] == 60.0
    assert ages.summary(T0 + 3_600_000 * MS)["age"] == {"n": 0}


def test_nan_does_not_poison_the_quantiles() -> None:
    """Breaks if one bad number makes a whole table NaN."""
    rolling = Rolling()
    rolling.add(T0, float("nan"))
    rolling.add(T0, 2.0)
    assert rolling.summary(T0) == {"n": 1, "p50": 2.0, "p99": 2.0, "max": 2.0}


def test_rate_counts_the_last_seconds() -> None:
    """Breaks if the rate of a stream that stopped stays up."""
    ages = Ages()
    for n in range(40):
        ages.add(_embedding(published_ms=n * 500))
    now_ns = T0 + 19_500 * MS
    assert ages.rate_hz(now_ns) == pytest.approx(2.0)
    assert ages.rate_hz(now_ns + 60_000 * MS) == 0.0


def test_summaries_are_plain_data() -> None:
    """Breaks if a health message cannot carry them."""
    ages = Ages()
    ages.add(_embedding())
    summary = ages.summary(T0)
    assert json.loads(json.dumps(summary)) == summary
