"""When ``run --seconds`` ends."""

from __future__ import annotations

from deploy.live.patience import DEPLOY_S, FIRST_S, Patience


def test_seconds_count_from_the_first_vector() -> None:
    """Breaks if a slow start eats the time that was asked for, or later vectors prolong it."""
    patience = Patience(3.0, begun_s=100.0)
    patience.deployed(110.0)
    patience.vector(120.0)
    patience.vector(122.0)
    assert not patience.over(122.9)
    assert patience.over(123.0)


def test_without_a_vector_it_ends_too() -> None:
    """Breaks if a script that bounds a run waits for ever for a robot that says nothing."""
    patience = Patience(3.0, begun_s=100.0)
    assert not patience.over(100.0 + DEPLOY_S - 1)
    assert patience.over(100.0 + DEPLOY_S)
    patience.deployed(200.0)
    assert not patience.over(200.0 + FIRST_S - 1)
    assert patience.over(200.0 + FIRST_S)


def test_a_vector_that_comes_before_the_deployment_stands_counts() -> None:
    """Breaks if the first stream's vectors, which come while another still loads, are forgotten."""
    patience = Patience(3.0, begun_s=100.0)
    patience.vector(104.0)
    patience.deployed(105.0)
    assert patience.over(107.0)


def test_without_a_bound_there_is_none() -> None:
    """Breaks if a robot of a service stops by itself."""
    patience = Patience(None, begun_s=0.0)
    patience.deployed(1.0)
    patience.vector(2.0)
    assert not patience.over(1e12)
