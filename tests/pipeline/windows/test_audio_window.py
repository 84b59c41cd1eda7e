"""Windows of sound: exact against the obvious way, untorn by jitter, honest about gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.formats import Sound
from bindstream.types import Modality, Window
from pipeline.windows.hole import Hole, Outcome
from pipeline.windows.windower import Windower, make_windower
from tests.pipeline.messages import of
from tests.pipeline.windows.oracle import MS, T0, outcomes, plain, sample

RATE = 1000  # one sample per ms keeps the obvious way fast
CHUNK = 20


def _windower(length_s: float = 2.0, hop_s: float = 1.0, rate_hz: int = RATE) -> Windower:
    form = Sound(length_s=length_s, rate_hz=rate_hz)
    return make_windower(of(Modality.AUDIO), form, hop_s=hop_s, rate_hz=rate_hz)


def _chunk(first: int, n: int = CHUNK) -> Any:
    """Samples that tell their number, so that a tear shows."""
    return np.arange(first, first + n, dtype=np.float32) + 1


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 180)), min_size=1, max_size=8),
    st.sampled_from([(2000, 1000), (1000, 300), (400, 400), (300, 500)]),
    st.integers(0, 1500),
    st.integers(1, 90),
)
def test_exact_with_gaps(
    runs: list[tuple[int, int]], length_hop_ms: tuple[int, int], offset_ms: int, chunk: int
) -> None:
    """Breaks if a sample is displaced, a gap not zeroed or miscounted, or a hole wrong.

    ``runs``: (chunks heard, chunks lost), in turn.
    """
    length_ms, hop_ms = length_hop_ms
    windower = _windower(length_ms / 1e3, hop_ms / 1e3)
    start_ns = T0 + offset_ms * MS
    heard: dict[int, float] = {}
    got: list[Outcome] = []
    place = 0
    for n_heard, n_lost in runs:
        for _ in range(n_heard):
            data = _chunk(place, chunk)
            heard |= {place + k: float(v) for k, v in enumerate(data)}
            got += windower.push(sample(start_ns + place * MS, data))
            place += chunk
        lost = n_lost * chunk
        place += lost if lost > 100 else 0  # smaller steps may be jitter
        place = min(place, max(heard) + 1 + 4900)  # longer outages: see test_windows
    got += windower.flush()

    def content(from_ns: int, end_ns: int) -> tuple[Any, int] | None:
        first = (from_ns - start_ns) // MS
        window = [heard.get(first + k) for k in range(length_ms)]
        n_missing = window.count(None)
        if 2 * n_missing > length_ms:
            return None
        return [v or 0.0 for v in window], n_missing

    known_ns = start_ns + (max(heard) + 1) * MS
    expected = outcomes([start_ns], length_ms * MS, hop_ms * MS, content, known_ns)
    assert plain(got, lambda c: c.data.tolist()) == expected


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([10, 20, 64]), st.floats(-500, 500))
def test_jitter_and_drift_do_not_tear(seed: int, chunk: int, drift_ppm: float) -> None:
    """Breaks if stamps that are off by less than half a chunk cut or pad the signal."""
    jitter = np.random.default_rng(seed).uniform(-1, 1, 400)
    half_ns = max(10, chunk // 2) * MS * 0.8  # the anchor may be off by the rest
    windower = _windower(1.0, 0.5)
    got: list[Outcome] = []
    for n, j in enumerate(jitter):
        true_ns = T0 + round(n * chunk * MS * (1 + drift_ppm / 1e6))
        got += windower.push(sample(true_ns + round(j * half_ns), _chunk(n * chunk, chunk)))
    assert got
    for o in got:
        assert isinstance(o, Window)
        assert o.n_missing == 0
        assert (np.diff(o.data) == 1).all()
        heard_ns = T0 + (o.data[0] - 1) * MS * (1 + drift_ppm / 1e6)
        assert abs(heard_ns - o.start_ns) < half_ns + 2 * MS


def test_as_shipped_two_seconds_every_second() -> None:
    """Breaks if the window of the shipped weights is not (32000,) float32."""
    windower = _windower(rate_hz=16000)
    signal = np.sin(np.arange(16000 * 5) / 30).astype(np.float32)
    got = []
    for at in range(0, len(signal), 320):
        got += windower.push(sample(T0 + at * 62_500, signal[at : at + 320]))
    assert len(got) == 4
    for k, o in enumerate(got):
        assert isinstance(o, Window)
        assert o.data.dtype == np.float32
        assert np.array_equal(o.data, signal[16000 * k : 16000 * k + 32000])


@pytest.mark.parametrize("rate_hz", [44100, 22050, 11025])
def test_a_rate_that_does_not_divide_a_second(rate_hz: int) -> None:
    """Breaks if rounding of sample times tears the signal or loses a window."""
    windower = _windower(1.0, 1.0, rate_hz)
    got = []
    for at in range(0, rate_hz * 20, 441):
        got += windower.push(sample(T0 + at * 10**9 // rate_hz, _chunk(at, 441)))
    assert len(got) == 20
    for o in got:
        assert isinstance(o, Window)
        assert len(o.data) == rate_hz
        assert (np.diff(o.data) == 1).all()


def test_one_chunk_of_ten_seconds_gives_all_its_windows() -> None:
    """Breaks if a long chunk overruns the ring."""
    got = _windower().push(sample(T0, _chunk(0, 10_000)))
    assert [o.seq for o in got] == list(range(9))
    for k, o in enumerate(got):
        assert isinstance(o, Window)
        assert o.data[0] == 1 + k * 1000
        assert (np.diff(o.data) == 1).all()


def test_what_was_heard_twice_is_dropped() -> None:
    """Breaks if a device that repeats part of a chunk shifts all that follows."""
    windower = _windower()
    got: list[Outcome] = []
    for at in [*range(0, 2000, 100), *range(1710, 4000, 100)]:
        got += windower.push(sample(T0 + at * MS, _chunk(at, 100)))
    assert len(got) == 3
    for o in got:
        assert isinstance(o, Window)
        assert o.n_missing == 0
        assert (np.diff(o.data) == 1).all()
    assert windower.stats()["overlap"] == 90
    assert windower.stats()["late"] == 2


def test_a_long_outage_is_a_hole_and_sound_goes_on_in_place() -> None:
    """Breaks if the ring keeps sound from before an outage longer than itself."""
    windower = _windower()
    got: list[Outcome] = []
    for at in [*range(0, 3000, CHUNK), *range(100_000, 104_000, CHUNK)]:
        got += windower.push(sample(T0 + at * MS, _chunk(at)))
    hole = next(o for o in got if isinstance(o, Hole))
    after = [o for o in got if o.seq > hole.seq]
    assert (hole.start_ns, hole.end_ns) == (T0 + 3000 * MS, T0 + 100_000 * MS)
    assert isinstance(after[0], Window)
    assert after[0].n_missing == 1000
    assert not after[0].data[:1000].any()
    assert after[0].data[1000] == 100_001


def test_nan_passes_through() -> None:
    """Breaks if the windower hides a broken microphone from the encoder."""
    chunk = _chunk(0, 3000)
    chunk[1500] = np.nan
    (cut, _) = _windower().push(sample(T0, chunk))
    assert isinstance(cut, Window)
    assert np.isnan(cut.data[1500])


@pytest.mark.parametrize("bad", [np.zeros((2, 10), np.float32), np.zeros(5, np.int16), np.zeros(0)])
def test_chunks_of_another_kind_are_counted(bad: Any) -> None:
    """Breaks if integers are taken for [-1, 1], or stereo for mono."""
    windower = _windower()
    assert windower.push(sample(T0, bad)) == []
    assert windower.stats()["invalid"] == 1


@pytest.mark.parametrize(("rate_in_hz", "rate_hz"), [(16000, 22050), (16000, 48000), (48000, 8000)])
def test_another_rate_is_converted_without_a_seam(rate_in_hz: int, rate_hz: int) -> None:
    """Breaks if an encoder that wants another rate gets sound of the microphone's, shifted in time,
    or torn where chunks meet."""
    form = Sound(length_s=1.0, rate_hz=rate_hz)
    windower = make_windower(of(Modality.AUDIO), form, hop_s=0.5, rate_hz=rate_in_hz)
    chunk, got = rate_in_hz // 50, []
    for at in range(0, 6 * rate_in_hz, chunk):
        t_s = np.arange(at, at + chunk) / rate_in_hz
        data = (0.5 * np.sin(2 * np.pi * 440 * t_s)).astype(np.float32)
        got += windower.push(sample(T0 + at * 10**9 // rate_in_hz, data))
    assert len(got) >= 9
    for k, o in enumerate(got[1:], 1):  # the first holds the filter's start
        assert isinstance(o, Window)
        assert o.data.shape == (rate_hz,)
        assert o.n_missing == 0
        t_s = 0.5 * k + np.arange(rate_hz) / rate_hz
        assert np.abs(o.data - 0.5 * np.sin(2 * np.pi * 440 * t_s)).max() < 0.01


def test_a_gap_in_converted_sound_is_counted_in_the_sensors_samples() -> None:
    """Breaks if time lost before the converter shifts all that follows."""
    form = Sound(length_s=1.0, rate_hz=1600)
    windower = make_windower(of(Modality.AUDIO), form, hop_s=1.0, rate_hz=1000)
    got: list[Outcome] = []
    for n in [*range(50), *range(60, 400), *range(2000, 2400)]:
        on = np.full(20, n % 50 >= 25, np.float32)  # the second half of every second sounds
        got += windower.push(sample(T0 + n * 20 * MS, on))
    cuts = [o for o in got if isinstance(o, Window)]
    assert [o.n_missing for o in cuts[:3]] == [0, 200, 0]
    assert any(isinstance(o, Hole) for o in got)
    for o in (*cuts[:5], cuts[-1]):
        assert o.data.shape == (1600,)
        assert np.abs(o.data[300:700]).max() < 0.1
        assert np.abs(o.data[900:1500] - 1).max() < 0.1
