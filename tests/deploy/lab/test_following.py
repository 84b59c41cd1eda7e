"""The live score must know right from wrong, silence from both, and how long a change takes."""

from __future__ import annotations

from deploy.lab.following import Following, Tick


def tick(t_s: float, truth: str, held_s: float, said: str | None) -> Tick:
    words = {} if said is None else {"object": said}
    return Tick(t_s, {"object": frozenset({truth})}, {"object": held_s}, words)


def test_only_settled_ticks_are_judged() -> None:
    """Fails when a word that is still following a change counts as wrong."""
    following = Following({"object": 3.0})
    following.add(tick(0, "dog", 10, "dog"))
    following.add(tick(1, "cat", 0.5, "dog"))
    following.add(tick(2, "cat", 1.5, "cat"))
    following.add(tick(4, "cat", 3.5, "cat"))
    following.add(tick(5, "cat", 4.5, "dog"))
    following.add(tick(6, "cat", 5.5, None))
    (score,) = following.scores()
    assert (score.ticks, score.accuracy, score.silent) == (4, 0.5, 0.25)


def test_a_change_is_timed_from_when_it_happened() -> None:
    """Fails when the lag is counted from the tick that noticed, not from the change."""
    following = Following({"object": 3.0})
    following.add(tick(0, "dog", 10, "dog"))
    following.add(tick(1, "cat", 0.4, "dog"))
    following.add(tick(2, "cat", 1.4, "cat"))
    (score,) = following.scores()
    assert score.changes == 1
    assert score.lag_max_s is not None
    assert abs(score.lag_max_s - 1.4) < 1e-9


def test_a_change_that_is_never_followed_is_missed() -> None:
    """Fails when a change that was overtaken by the next one is forgotten."""
    following = Following({"object": 3.0})
    following.add(tick(0, "dog", 10, "dog"))
    following.add(tick(1, "cat", 0.4, "dog"))
    following.add(tick(9, "car", 0.4, "dog"))
    (score,) = following.scores()
    assert (score.changes, score.missed, score.lag_p50_s) == (1, 1, None)
