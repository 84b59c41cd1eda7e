"""Vision, depth and thermal windows against the obvious way."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.types import DepthMeta, Modality, VisionMeta
from pipeline.frames import single_image, stack_frame
from pipeline.windows import Cut, make_windower
from tests.pipeline.oracle import MS, T0, in_order, outcomes, plain, sample, schedules

HOPS_AND_LENGTHS = st.sampled_from([(500, 2000), (500, 500), (300, 1000), (1000, 400)])
META = DepthMeta(fx_px=500.0, baseline_m=0.05)


def _picture(number: int) -> Any:
    """A frame of one colour that tells its number (below 250)."""
    return np.full((3, 4, 3), number, np.uint8)


def _stack_numbers(cut: Cut) -> tuple[int, int, int]:
    assert cut.data.shape == (2, 224, 224, 3)
    assert isinstance(cut.meta, VisionMeta)
    return int(cut.data[0, 0, 0, 0]), int(cut.data[1, -1, -1, 2]), cut.meta.span_ns


@settings(deadline=None, max_examples=60)
@given(schedules(), HOPS_AND_LENGTHS, st.sampled_from([0, 250]))
def test_a_stack_is_the_first_and_last_frame_of_its_window(
    times: list[int], hop_length_ms: tuple[int, int], lateness_ms: int
) -> None:
    """Breaks if a wrong frame is taken, one is missed at an edge, or holes are miscounted."""
    hop_ms, length_ms = hop_length_ms
    windower = make_windower(
        Modality.VISION,
        length_s=length_ms / 1e3,
        hop_s=hop_ms / 1e3,
        rate_hz=16,
        lateness_s=lateness_ms / 1e3,
    )
    got = [o for n, t_ns in enumerate(times) for o in windower.push(sample(t_ns, _picture(n)))]
    got += windower.flush()
    order = in_order(times, lateness_ms * MS)
    stamps = [times[n] for n in order]

    def content(start_ns: int, end_ns: int) -> tuple[Any, int] | None:
        inside = [n for n in order if start_ns <= times[n] < end_ns]
        if not inside:
            return None
        first, last = inside[0], inside[-1]
        return (first, last, times[last] - times[first]), int(first == last)

    expected = outcomes(stamps, length_ms * MS, hop_ms * MS, content)
    assert plain(got, _stack_numbers) == expected


@settings(deadline=None, max_examples=60)
@given(schedules(), st.sampled_from([200, 500]), st.sampled_from(["depth", "thermal"]))
def test_a_map_is_the_newest_frame_of_its_hop(times: list[int], hop_ms: int, modality: str) -> None:
    """Breaks if a frame is used twice, an older one is used, or meta is lost."""
    windower = make_windower(Modality(modality), length_s=2, hop_s=hop_ms / 1e3, rate_hz=16)
    got = []
    for n, t_ns in enumerate(times):
        got += windower.push(sample(t_ns, np.full((2, 3), n, np.float32), META))
    got += windower.flush()
    order = in_order(times)

    def content(start_ns: int, end_ns: int) -> tuple[Any, int] | None:
        inside = [n for n in order if start_ns <= times[n] < end_ns]
        return (inside[-1], 0) if inside else None

    hop_ns = hop_ms * MS
    expected = outcomes([times[n] for n in order], hop_ns, hop_ns, content)
    assert plain(got, lambda c: int(c.data[0, 0])) == expected
    assert all(c.meta == META for c in got if isinstance(c, Cut))


def test_only_chosen_frames_are_resized() -> None:
    """Breaks if every frame of a camera is resized: 1.5 ms of CPU for each of the others."""
    windower = make_windower(Modality.VISION, length_s=2, hop_s=0.5, rate_hz=30)
    cuts = []
    for n in range(300):
        cuts += windower.push(sample(T0 + n * 33 * MS, _picture(n % 250)))
    assert windower.stats()["resized"] <= 2 * len(cuts) + 6


def test_a_still_image_goes_the_image_path() -> None:
    """Breaks if a single image is scaled by the filter of video."""
    picture = np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8)
    windower = make_windower(Modality.VISION, length_s=0.5, hop_s=0.5, rate_hz=10, frames=1)
    cuts = [o for n in range(8) for o in windower.push(sample(T0 + n * 100 * MS, picture))]
    assert isinstance(cuts[0], Cut)
    assert np.array_equal(cuts[0].data, single_image(picture)[np.newaxis])
    assert cuts[0].meta == VisionMeta(0)


def test_a_change_of_resolution_shows_in_the_next_window() -> None:
    """Breaks if a camera that changes size mid-stream ends the stream or mixes the frames."""
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    large = rng.integers(0, 256, (480, 300, 3), dtype=np.uint8)
    windower = make_windower(Modality.VISION, length_s=1, hop_s=0.5, rate_hz=10)
    cuts = []
    for n in range(40):
        cuts += windower.push(sample(T0 + n * 100 * MS, small if n < 18 else large))
    mixed = cuts[2]  # [1, 2) s holds frames 10 to 19
    assert isinstance(mixed, Cut)
    assert np.array_equal(mixed.data, np.stack((stack_frame(small), stack_frame(large))))
    assert np.array_equal(cuts[-1].data[0], stack_frame(large))  # type: ignore[union-attr]


def test_raw_frames_are_not_hoarded() -> None:
    """Breaks if raw frames of the whole window are kept: 166 MB for 2 s of 720p."""
    import gc
    import weakref

    windower = make_windower(Modality.VISION, length_s=2, hop_s=0.5, rate_hz=30)
    alive = []
    for n in range(120):
        frame = np.zeros((72, 128, 3), np.uint8)
        alive.append(weakref.ref(frame))
        windower.push(sample(T0 + n * 33 * MS, frame))
        del frame
    gc.collect()
    assert sum(ref() is not None for ref in alive) == 1


def test_holes_and_nan_of_a_depth_map_stay() -> None:
    """Breaks if the robot's side fills holes or refuses what the encoder must judge."""
    frame = np.array([[0, 1.5], [np.nan, 8]], np.float32)
    windower = make_windower(Modality.DEPTH, length_s=0.5, hop_s=0.5, rate_hz=10)
    cuts = [o for n in range(8) for o in windower.push(sample(T0 + n * 100 * MS, frame, META))]
    assert isinstance(cuts[0], Cut)
    assert np.array_equal(cuts[0].data, frame, equal_nan=True)
