"""Vision, depth and thermal windows against the obvious way."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.formats import Frames, Map
from bindstream.types import DepthMeta, Modality, VisionMeta, Window
from pipeline.windows.frames import single_image, stack_frame
from pipeline.windows.windower import make_windower
from tests.pipeline.messages import of
from tests.pipeline.windows.oracle import MS, T0, in_order, outcomes, plain, sample, schedules

HOPS_AND_LENGTHS = st.sampled_from([(500, 2000), (500, 500), (300, 1000), (1000, 400)])
META = DepthMeta(fx_px=500.0, baseline_m=0.05)
STILL = Frames(length_s=0.5, size_px=224, filter="bicubic")


def _pair(length_s: float) -> Frames:
    """ImageBind's."""
    return Frames(frames=2, length_s=length_s, size_px=224)


def _picture(number: int) -> Any:
    """A frame of one colour that tells its number (below 250)."""
    return np.full((3, 4, 3), number, np.uint8)


def _stack_numbers(cut: Window) -> tuple[list[int], int]:
    assert cut.data.shape[1:] == (8, 8, 3)
    assert isinstance(cut.meta, VisionMeta)
    return [int(frame[0, -1, 2]) for frame in cut.data], cut.meta.span_ns


@settings(deadline=None, max_examples=120)
@given(schedules(), HOPS_AND_LENGTHS, st.sampled_from([0, 250]), st.sampled_from([2, 2, 3, 5, 16]))
def test_a_stack_is_evenly_over_its_window(
    times: list[int], hop_length_ms: tuple[int, int], lateness_ms: int, count: int
) -> None:
    """Breaks if a wrong frame is taken, one is missed at an edge, or holes are miscounted: first
    and last of the window, and between them the first frame at or after each even place."""
    hop_ms, length_ms = hop_length_ms
    windower = make_windower(
        of(Modality.VISION),
        Frames(frames=count, length_s=length_ms / 1e3, size_px=8),
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
        step_ns = length_ms * MS / (count - 1)
        places_ns = [start_ns + round(k * step_ns) for k in range(count - 1)]
        chosen = [next((n for n in inside if times[n] >= p), inside[-1]) for p in places_ns]
        chosen.append(inside[-1])
        span_ns = times[chosen[-1]] - times[chosen[0]]
        return (chosen, span_ns), count - len(set(chosen))

    expected = outcomes(stamps, length_ms * MS, hop_ms * MS, content)
    assert plain(got, _stack_numbers) == expected


@settings(deadline=None, max_examples=60)
@given(schedules(), st.sampled_from([200, 500]), st.sampled_from(["depth", "thermal"]))
def test_a_map_is_the_newest_frame_of_its_hop(times: list[int], hop_ms: int, modality: str) -> None:
    """Breaks if a frame is used twice, an older one is used, or meta is lost."""
    windower = make_windower(of(Modality(modality)), Map(), hop_s=hop_ms / 1e3, rate_hz=16)
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
    assert all(c.meta == META for c in got if isinstance(c, Window))


def test_only_chosen_frames_are_resized() -> None:
    """Breaks if every frame of a camera is resized: 1.5 ms of CPU for each of the others."""
    windower = make_windower(of(Modality.VISION), _pair(2), hop_s=0.5, rate_hz=30)
    cuts = []
    for n in range(300):
        cuts += windower.push(sample(T0 + n * 33 * MS, _picture(n % 250)))
    assert windower.stats()["resized"] <= 2 * len(cuts) + 6


def test_a_still_image_goes_the_image_path() -> None:
    """Breaks if a single image is scaled by the filter of video."""
    picture = np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8)
    windower = make_windower(of(Modality.VISION), STILL, hop_s=0.5, rate_hz=10)
    cuts = [o for n in range(8) for o in windower.push(sample(T0 + n * 100 * MS, picture))]
    assert isinstance(cuts[0], Window)
    assert np.array_equal(cuts[0].data, single_image(picture, 224)[np.newaxis])
    assert cuts[0].meta == VisionMeta(0)


def test_a_change_of_resolution_shows_in_the_next_window() -> None:
    """Breaks if a camera that changes size mid-stream ends the stream or mixes the frames."""
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    large = rng.integers(0, 256, (480, 300, 3), dtype=np.uint8)
    windower = make_windower(of(Modality.VISION), _pair(1), hop_s=0.5, rate_hz=10)
    cuts = []
    for n in range(40):
        cuts += windower.push(sample(T0 + n * 100 * MS, small if n < 18 else large))
    mixed = cuts[2]  # [1, 2) s holds frames 10 to 19
    assert isinstance(mixed, Window)
    assert np.array_equal(mixed.data, np.stack((stack_frame(small, 224), stack_frame(large, 224))))
    assert np.array_equal(cuts[-1].data[0], stack_frame(large, 224))  # type: ignore[union-attr]


def test_raw_frames_are_not_hoarded() -> None:
    """Breaks if raw frames of the whole window are kept: 166 MB for 2 s of 720p."""
    import gc
    import weakref

    windower = make_windower(of(Modality.VISION), _pair(2), hop_s=0.5, rate_hz=30)
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
    windower = make_windower(of(Modality.DEPTH), Map(), hop_s=0.5, rate_hz=10)
    cuts = [o for n in range(8) for o in windower.push(sample(T0 + n * 100 * MS, frame, META))]
    assert isinstance(cuts[0], Window)
    assert np.array_equal(cuts[0].data, frame, equal_nan=True)


def test_maps_are_scaled_as_the_format_says_and_so_is_their_focal_length() -> None:
    """Breaks if resized depth is blurred over holes, or keeps the focal length of another size:
    every distance would be wrong by the scale."""
    frame = np.where(np.arange(80 * 60).reshape(60, 80) % 80 < 40, 2, 0).astype(np.float32)
    for form, fx_px in ((Map(size_px=30), 250.0), (Map(size_px=20, rule="squash"), 125.0)):
        windower = make_windower(of(Modality.DEPTH), form, hop_s=0.5, rate_hz=10)
        cuts = [o for n in range(8) for o in windower.push(sample(T0 + n * 100 * MS, frame, META))]
        assert isinstance(cuts[0], Window)
        assert cuts[0].data.shape == (form.size_px, form.size_px)
        assert cuts[0].data.dtype == np.float32
        assert set(np.unique(cuts[0].data)) == {0.0, 2.0}
        assert cuts[0].meta == DepthMeta(fx_px, 0.05)


def test_native_frames_keep_their_size_and_shape() -> None:
    """Breaks if an encoder that scales for itself gets frames that were cut before."""
    form = Frames(frames=3, length_s=1)
    windower = make_windower(of(Modality.VISION), form, hop_s=0.5, rate_hz=10)
    cuts = []
    for n in range(40):  # at the 18th the camera changes its size
        size = (9, 12, 3) if n < 18 else (6, 10, 3)
        cuts += windower.push(sample(T0 + n * 100 * MS, np.full(size, n, np.uint8)))
    assert [c.data.shape[1:3] for c in cuts] == [(9, 12)] * 2 + [(6, 10)] * (len(cuts) - 2)
    assert cuts[0].data[:, 0, 0, 0].tolist() == [0, 5, 9]
    assert cuts[2].data[:, 0, 0, 0].tolist() == [19] * 3  # of [1, 2) s, those of one size
    assert cuts[2].n_missing == 2


def test_squashed_pictures_keep_their_borders() -> None:
    """Breaks if a model trained on whole pictures gets their middle."""
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, 70:] = 200
    for filter_ in ("bilinear", "bicubic"):
        form = Frames(size_px=16, rule="squash", filter=filter_)
        windower = make_windower(of(Modality.VISION), form, hop_s=0.5, rate_hz=10)
        cuts = [o for n in range(8) for o in windower.push(sample(T0 + n * 100 * MS, picture))]
        assert isinstance(cuts[0], Window)
        assert cuts[0].data.shape == (1, 16, 16, 3)
        assert cuts[0].data[0, :, -1].min() >= 200
