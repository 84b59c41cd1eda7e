"""What a run remembers of what its robots say."""

from __future__ import annotations

from bindstream.types import Event, Health
from deploy.live.heard import Heard
from tests.deploy import messages

IMU, FRONT = ("robot", "imu"), ("robot", "front")


def health(stream: str, epoch: int, state: str = "running", why: str = "") -> Health:
    return Health("robot", stream, state, 0, {"epoch": epoch, "why": why})


def test_a_change_has_come_once_each_stream_is_in_a_newer_epoch() -> None:
    """Breaks if `apply` answers with the epochs from before, or waits for a stream that it left."""
    heard = Heard([IMU, FRONT])
    heard.take(health("imu", 4))
    before = heard.epochs()
    assert before == {IMU: 4, FRONT: 0}
    assert not heard.have_begun([IMU, FRONT], before)
    heard.take(health("front", 5))
    assert heard.have_begun([FRONT], before)
    assert not heard.have_begun([IMU], before)
    heard.take(health("imu", 6))
    assert heard.have_begun([IMU, FRONT], before)


def test_the_first_vector_of_each_stream_is_told_once() -> None:
    """Breaks if the time to a first vector is shown of every vector, or of one stream alone."""
    heard = Heard([IMU, FRONT])
    assert not heard.any_vector
    told = [heard.take(messages.embedding(n, stream=s)) for s in ("imu", "front") for n in (0, 1)]
    assert told == [True, False, True, False]
    assert heard.any_vector


def test_a_stream_that_was_removed_is_no_reason() -> None:
    """Breaks if a run that fails blames a stream that was taken out long before."""
    heard = Heard([IMU, FRONT])
    heard.take(health("imu", 0, "opening", "no device"))
    heard.take(Event("robot", "stream_removed", 0, {"stream": "front"}))
    assert heard.whys() == "imu: opening, no device"
