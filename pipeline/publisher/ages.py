"""Where the time goes: rolling quantiles of ages and of each stage. Pure, cheap.

The stages of one embedding add up to its age at publication::

    age     published - end of the window
    capture arrival of the sample that completed the window - end of the window
    window  from there until the window was cut
    queue   waiting in the encoder's replica
    encode  the model
    hop     the way to the replica and back
    publish from the reply until it is on the wire
"""

from __future__ import annotations

import numpy as np

from bindstream.types import Embedding

STAGES = ("age", "capture", "window", "queue", "encode", "hop", "publish")


def stages_ms(e: Embedding) -> dict[str, float]:
    """Milliseconds of each of ``STAGES`` for one embedding that has been published.

    Where the robot's time is its streams', the way to the replica takes none of it: NaN.
    """
    away_ms = (e.encoded_ns - e.windowed_ns) / 1e6
    return {
        "age": (e.published_ns - e.end_ns) / 1e6,
        "capture": (e.captured_ns - e.end_ns) / 1e6,
        "window": (e.windowed_ns - e.captured_ns) / 1e6,
        "queue": e.queue_ms,
        "encode": e.encode_ms,
        "hop": away_ms - e.queue_ms - e.encode_ms if away_ms > 0 else float("nan"),
        "publish": (e.published_ns - e.encoded_ns) / 1e6,
    }


class Rolling:
    """The values of the last ``horizon_s``, and at most the last ``capacity`` of them."""

    def __init__(self, horizon_s: float = 30.0, capacity: int = 1024) -> None:
        self._horizon_ns = round(horizon_s * 1e9)
        self._times = np.zeros(capacity, np.int64)
        self._values = np.zeros(capacity, np.float64)
        self._count = 0

    def add(self, now_ns: int, value: float) -> None:
        """Remember a value; NaN is ignored."""
        if value != value:  # NaN alone differs from itself
            return
        place = self._count % len(self._times)
        self._times[place], self._values[place] = now_ns, value
        self._count += 1

    def count_since(self, t_ns: int) -> int:
        """How many of the held values are younger than ``t_ns``."""
        held = min(self._count, len(self._times))
        return int(np.count_nonzero(self._times[:held] > t_ns))

    def summary(self, now_ns: int) -> dict[str, float]:
        """``{"n", "p50", "p99", "max"}`` of what is young enough; ``{"n": 0}`` for nothing."""
        held = min(self._count, len(self._times))
        young = self._times[:held] > now_ns - self._horizon_ns
        values = self._values[:held][young]
        if not len(values):
            return {"n": 0}
        p50, p99 = np.percentile(values, (50, 99))
        return {
            "n": len(values),
            "p50": round(float(p50), 3),
            "p99": round(float(p99), 3),
            "max": round(float(values.max()), 3),
        }


class Ages:
    """Rolling ages and stage times of one stream."""

    def __init__(self, horizon_s: float = 30.0, capacity: int = 1024) -> None:
        self._rolling = {stage: Rolling(horizon_s, capacity) for stage in STAGES}

    def add(self, e: Embedding) -> None:
        """Count one published embedding (``published_ns`` is when)."""
        for stage, ms in stages_ms(e).items():
            self._rolling[stage].add(e.published_ns, ms)

    def summary(self, now_ns: int) -> dict[str, dict[str, float]]:
        """Per stage ``{"n", "p50", "p99", "max"}`` in milliseconds: plain data for health."""
        return {stage: rolling.summary(now_ns) for stage, rolling in self._rolling.items()}

    def rate_hz(self, now_ns: int, over_s: float = 10.0) -> float:
        """Embeddings per second, published in the last ``over_s``."""
        return self._rolling["age"].count_since(now_ns - round(over_s * 1e9)) / over_s
