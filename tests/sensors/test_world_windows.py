"""A live window of the world is what `observe` renders: a model trained on one sees the other."""

from __future__ import annotations

import numpy as np
import pytest

from bindstream.formats import Frames, Motion, Sound, WindowFormat
from bindstream.types import Modality, VisionMeta, Window
from pipeline.windows.windower import length_of, make_windower
from sensors.world import script as world_script
from sensors.world.driver import World
from sensors.world.observations import AUDIO_S, FRAME_SPAN_S, IMU_S, VISION_S, render
from tests.pipeline.messages import of

SCRIPT = {
    "length_s": 3600,
    "changes": [
        {"at_s": 0, "object": ["dog", "clock"], "distance": ["near", "far"], "light": "day",
         "motion": "turn left", "floor": "tiles", "ambient": "rain"},
    ],
}  # fmt: skip
FORMATS: dict[Modality, tuple[WindowFormat, float]] = {
    Modality.VISION: (Frames(frames=2, length_s=VISION_S, size_px=224), 0.5),
    Modality.AUDIO: (Sound(length_s=AUDIO_S, rate_hz=16000), 1.0),
    Modality.IMU: (Motion(length_s=IMU_S, steps=2000), 1.0),
}


def cuts(modality: Modality, seconds: float, **options: object) -> list[Window]:
    """What the windower makes of some seconds of the live world, on a clock that hurries."""
    now_ns = world_script.ORIGIN_NS + 7_200_000_000_000

    def clock() -> int:
        return now_ns

    driver = World("s", modality=modality, script=SCRIPT, seed=4, **options)
    driver.open(clock)
    form, hop_s = FORMATS[modality]
    windows = make_windower(of(modality), form, hop_s=hop_s, rate_hz=driver.rate_hz)
    found: list[Window] = []
    for _ in range(round(seconds * 100)):
        now_ns += 10_000_000
        for sample in driver.read(0.0):
            found += [cut for cut in windows.push(sample) if isinstance(cut, Window)]
    return found


@pytest.mark.parametrize("modality", FORMATS)
def test_a_live_window_is_what_observe_renders(modality: Modality) -> None:
    """Breaks if stamps, spans, units or rendering differ between training and the robot."""
    found = cuts(modality, length_of(*FORMATS[modality]) + 2.5)
    assert len(found) >= 2
    for cut in found:
        end_s = world_script.world_s(cut.end_ns)
        seen = render(world_script.state_at(4, end_s - 0.1, SCRIPT), end_s, {str(modality)})
        field = {"vision": "frames"}.get(modality, str(modality))
        np.testing.assert_allclose(cut.data, getattr(seen, field), atol=1e-4)
        assert cut.n_missing == 0


@pytest.mark.parametrize("rate_hz", [20.0, 30.0])
def test_the_span_of_frames_is_that_of_training(rate_hz: float) -> None:
    """Breaks if another camera rate changes how far the picture flows between two frames."""
    spans = {
        cut.meta.span_ns
        for cut in cuts(Modality.VISION, 3.0, rate_hz=rate_hz)
        if isinstance(cut.meta, VisionMeta)
    }
    assert len(spans) >= 1
    assert all(span == pytest.approx(FRAME_SPAN_S * 1e9, abs=2) for span in spans)
