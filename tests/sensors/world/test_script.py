"""How the world changes: scripts, random evolution, truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.errors import ConfigError
from sensors.world import script as ws
from sensors.world.state import DISTANCES, FACTORS

SHORT = {
    "length_s": 60,
    "changes": [
        {"at_s": 0, "object": ["dog", "clock"], "distance": ["near", "far"], "motion": "still",
         "floor": "carpet", "ambient": "quiet", "light": "day"},
        {"at_s": 20, "motion": "forward"},
        {"at_s": 30, "object": "car", "distance": "mid", "light": "night"},
    ],
}  # fmt: skip


def test_a_script_is_followed_round_and_round() -> None:
    """Breaks if a change comes early or late, or is forgotten in the next round."""
    for begin in (0.0, 60.0, 6_000_000.0):
        assert ws.truth(0, begin + 19.99, SHORT)["motion"] == "still"
        assert ws.truth(0, begin + 20.0, SHORT)["motion"] == "forward"
        assert ws.truth(0, begin + 29.0, SHORT)["object"] == ["dog", "clock"]
        late = ws.truth(0, begin + 59.9, SHORT)
        assert (late["object"], late["distance"], late["light"]) == (["car"], "mid", "night")
        assert late["floor"] == "carpet"


def test_how_long_a_truth_has_held() -> None:
    """Breaks if an evaluation would judge a moment too near to a change."""
    held = ws.unchanged_s(0, 61.0 - 26.0, SHORT)
    assert held["motion"] == pytest.approx(15.0)
    assert held["object"] == pytest.approx(5.0)
    assert held["floor"] == pytest.approx(35.0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.floats(0, 1e8))
def test_random_worlds_have_true_words_and_continuous_poses(seed: int, t_s: float) -> None:
    """Breaks if a word is none of its factor's, or the camera jumps where motion changes."""
    state = ws.state_at(seed, t_s)
    for factor, words in state.truth().items():
        assert set([words] if isinstance(words, str) else words) <= set(FACTORS[factor])
    ranks = [DISTANCES.index(thing.distance) for thing in state.things]
    assert ranks == sorted(ranks)
    episode = int(t_s // ws.RANDOM_EPISODE_S)
    script = ws.random_script(seed, episode)
    for change in script.changes[1:]:
        at_s = episode * ws.RANDOM_EPISODE_S + change.at_s
        poses = [ws.state_at(seed, t, None).move.pose_at(t) for t in (at_s - 1e-4, at_s + 1e-4)]
        np.testing.assert_allclose(poses[0], poses[1], atol=2e-3)


def test_random_worlds_change_and_motions_last() -> None:
    """Breaks if a world stands still, or if an IMU window of 5 s never lies within one motion."""
    for episode in range(5):
        script = ws.random_script(3, episode)
        moved = [change.at_s for change in script.changes if change.motion]
        assert min(np.diff(moved)) >= 15
        shown = [change.at_s for change in script.changes if change.objects]
        assert max(np.diff(shown)) <= 31


def test_the_tour_shows_every_word() -> None:
    """Breaks if the shipped scene leaves a word out, or is not five minutes long."""
    tour = ws.SCRIPTS["tour"]
    assert tour.length_s == 300
    seen: dict[str, set[str]] = {factor: set() for factor in FACTORS}
    for change in tour.changes:
        for factor, words in ws.truth(0, change.at_s, "tour").items():
            seen[factor] |= set([words] if isinstance(words, str) else words)
    assert seen == {factor: set(words) for factor, words in FACTORS.items()}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("tuor", "tour"),
        ({"changes": []}, "length_s"),
        ({"length_s": 9, "changes": [{"at_s": 0, "motion": "still"}]}, "must set all factors"),
        ({**SHORT, "loop": True}, "keys"),
        ({**SHORT, "changes": [*SHORT["changes"], {"at_s": 25}]}, "must rise"),
        ({**SHORT, "changes": [*SHORT["changes"], {"at_s": 99}]}, "below length_s"),
        ({**SHORT, "changes": [{**SHORT["changes"][0], "motion": "fly"}]}, "'fly' is none of"),
        ({**SHORT, "changes": [{**SHORT["changes"][0], "colour": "red"}]}, "any of object"),
        ({**SHORT, "changes": [{"at_s": 0, "object": "dog"}]}, "come together"),
        ({**SHORT, "changes": [{"at_s": 0, "object": ["dog", "dog"], "distance": "far"}]}, "two"),
        ({**SHORT, "changes": [{"at_s": 0, "object": ["dog", "fan"], "distance": ["far", "near"]}]},
         "nearest"),
    ],
)  # fmt: skip
def test_a_script_that_cannot_be_is_refused(script: object, says: str) -> None:
    """Breaks if a typing error in a script becomes another world."""
    with pytest.raises(ConfigError, match=says):
        ws.parse(script)
