"""When each sample of sound was heard."""

from __future__ import annotations

import random

from pipeline.windows.audio_anchor import JITTER_NS, Anchor

RATE_HZ = 16_000
CHUNK = 160
T0 = 1_700_000_000_000_000_000


def test_jitter_neither_tears_the_signal_nor_moves_it() -> None:
    """Breaks if a chunk stamped some milliseconds off is placed beside the one before it, or pulls
    all others along."""
    draw = random.Random(3)
    anchor = Anchor(RATE_HZ)
    for n in range(500):
        off_ns = draw.randint(-JITTER_NS // 2, JITTER_NS // 2)
        assert anchor.place(T0 + n * 10_000_000 + off_ns, CHUNK, n * CHUNK) == n * CHUNK
    assert abs(anchor.time_ns(0) - T0) < JITTER_NS / 4


def test_drift_of_the_devices_clock_is_followed() -> None:
    """Breaks if a microphone 100 ppm fast is torn every few minutes."""
    anchor = Anchor(RATE_HZ)
    for n in range(60_000):  # ten minutes
        t_ns = T0 + round(n * 10_000_000 * (1 + 1e-4))
        assert anchor.place(t_ns, CHUNK, n * CHUNK) == n * CHUNK
    assert abs(anchor.time_ns(60_000 * CHUNK) - t_ns) < 2 * JITTER_NS


def test_a_stamp_that_is_far_off_is_believed_and_does_not_move_the_anchor() -> None:
    """Breaks if a gap is closed up, or half believed."""
    anchor = Anchor(RATE_HZ)
    anchor.place(T0, CHUNK, 0)
    assert anchor.place(T0 + 510_000_000, CHUNK, CHUNK) == 51 * CHUNK
    assert anchor.place(T0 - 90_000_000, CHUNK, CHUNK) == -9 * CHUNK
    assert anchor.t_ns == T0
    assert anchor.index(anchor.time_ns(777)) == 777
    anchor.restart()
    assert anchor.t_ns is None
