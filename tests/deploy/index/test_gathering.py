"""The gathering of answers: parts are given out whole, once, whatever the order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from deploy.index.bundle import PART, End, bundled
from deploy.index.gathering import Gathering
from tests.deploy.index.outcomes import answer, answered, outcomes


@given(
    st.integers(0, 3 * PART),
    st.frozensets(st.integers(0, 3 * PART)),
    st.sets(st.integers(0, 2)),
    st.randoms(use_true_random=False),
)
def test_parts_come_whole_and_once_in_any_order(count, holes, done, chance: random.Random):
    """Breaks if workers that overtake each other cost a window, give a part before all of it is
    there or twice, or if an earlier start's parts are given again."""
    done = {n for n in done if n * PART < count}
    answers = [answered(b) for b in bundled(0, outcomes(count, holes), dict, done)]
    chance.shuffle(answers)
    gathering, parts = Gathering(done), []
    for n, one in enumerate(answers):
        parts += gathering.take(one)
        assert gathering.is_over == (n == len(answers) - 1 or gathering.is_over)
    assert gathering.is_over
    assert sorted(n for n, _ in parts) == [n for n in range(-(-count // PART)) if n not in done]
    seqs = [seq for _, part in parts for seq in (*part.embeddings, *part.dropped)]
    assert sorted(seqs) == [n for n in range(count) if n // PART not in done]
    assert {s for _, p in parts for s in p.dropped} == {n for n in seqs if n in holes}


def test_what_came_before_a_fault_is_no_whole_part():
    """Breaks if the windows before a broken place pass for the recording's last part: a later
    start, with the file mended, would leave out what follows."""
    gathering = Gathering()
    assert gathering.take(answer([0, 1, 2], End(3, fault="gone"))) == []
    assert not gathering.is_over


def test_an_answer_that_comes_twice_changes_nothing():
    """Breaks if a worker that Ray started again after its death gives a window twice."""
    gathering = Gathering()
    gathering.take(answer([0, 1]))
    parts = gathering.take(answer([0, 1, 2], End(3)))
    assert [sorted(part.embeddings) for _, part in parts] == [[0, 1, 2]]
    assert gathering.take(answer([0], End(3))) == []
