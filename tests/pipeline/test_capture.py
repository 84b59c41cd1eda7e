"""The thread that reads a sensor: what drivers may do to it, and what must come of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bindstream.errors import DeviceLost, DeviceUnavailable
from bindstream.types import Modality, Sample
from pipeline import capture
from pipeline.capture import Capture, Handover, RateMeter
from sensors.world import World


def sample(arrival_ns: int = 0, n: int = 6) -> Sample:
    return Sample("s", arrival_ns, np.zeros(n, np.float32), arrival_ns)


class Sensor:
    """A user's own driver that does as the test tells it: ``reads`` are called in turn."""

    modality = Modality.IMU
    latency_ms = 0.0

    def __init__(self, *reads: Callable[[], object], rate_hz: float = 100.0) -> None:
        self.rate_hz = rate_hz
        self.opens: list[float] = []
        self.closes = 0
        self.is_open = False
        self.refusal: Callable[[], Exception | None] = lambda: None
        self.close_error: Exception | None = None
        self.why = ""
        self._reads = list(reads)

    def open(self, now_ns: Callable[[], int]) -> None:
        self.opens.append(time.monotonic())
        if error := self.refusal():
            raise error
        self.is_open = True

    def read(self, timeout_s: float) -> object:
        if self._reads:
            return self._reads.pop(0)()
        time.sleep(0.005)
        return [sample(time.time_ns())]

    def close(self) -> None:
        self.closes += 1
        self.is_open = False
        if self.close_error:
            raise self.close_error


def raises(error: BaseException) -> Callable[[], object]:
    def read() -> object:
        raise error

    return read


class Watched:
    """A capture with its events written down."""

    def __init__(self, driver: object) -> None:
        self.handover = Handover()
        self.events: list[tuple[str, str]] = []
        self.capture = Capture(driver, "s", time.time_ns, self.handover)  # type: ignore[arg-type]
        self.capture.on_event = lambda name, why: self.events.append((name, why))

    def named(self, name: str) -> list[str]:
        return [why for event, why in list(self.events) if event == name]


@pytest.fixture
def watch() -> Iterator[Callable[[object], Watched]]:
    made: list[Watched] = []

    def start(driver: object) -> Watched:
        made.append(Watched(driver))
        made[-1].capture.start()
        return made[-1]

    yield start
    for one in made:
        one.capture.stop(5.0)


def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.005)


def test_samples_of_a_real_driver_come_through(watch):
    """Breaks if samples are lost or reordered between the driver and the window thread."""
    one = watch(World("imu", modality="imu"))
    times: list[int] = []
    until(lambda: times.extend(s.t_ns for s in one.handover.take(0.1)) or len(times) > 200)
    steps = np.diff(times)
    assert (np.abs(steps - 2_500_000) < 1000).all()
    assert one.capture.state == "running"
    assert 300 < one.capture.meter.rate_hz(time.time_ns()) < 500


@pytest.mark.parametrize(
    "read",
    [
        raises(DeviceLost("s", "unplugged")),
        raises(ZeroDivisionError("oops")),
        lambda: 7,
        lambda: ["not a sample"],
    ],
    ids=["lost", "bug", "no list", "no sample"],
)
def test_whatever_read_does_the_device_is_closed_and_opened_again(watch, read):
    """Breaks if anything a driver raises or returns ends the thread, or is not told."""
    driver = Sensor(read)
    one = watch(driver)
    until(lambda: len(driver.opens) == 2 and one.handover.take(0.1))
    assert driver.closes == 1
    assert one.capture.reopened == 1
    assert len(one.named("stream_lost")) == 1
    one.capture.check()


def test_a_close_that_raises_is_told_and_survived(watch):
    """Breaks if a driver that breaks its promise not to raise kills the thread."""
    driver = Sensor(raises(DeviceLost("s", "gone")))
    driver.close_error = OSError("already closed")
    one = watch(driver)
    until(lambda: len(driver.opens) == 2)
    assert one.named("driver_error") == ["close: OSError: already closed"]


def test_a_device_that_opens_and_fails_at_once_is_not_hammered(watch):
    """Breaks if an opening that works resets the backoff: hundreds of openings a second."""
    driver = Sensor(*[raises(DeviceLost("s", "flaps"))] * 1000)
    watch(driver)
    time.sleep(1.0)
    assert 2 <= len(driver.opens) <= 4  # 0, 0.2, 0.6, 1.4 s


def test_an_absent_device_is_waited_for_and_the_reason_stated(watch):
    """Breaks if an absent device is not tried again, or its stream does not say why."""
    driver = Sensor()
    driver.refusal = lambda: (
        DeviceUnavailable("s", "no such device") if len(driver.opens) < 3 else None
    )
    one = watch(driver)
    until(lambda: one.capture.why)
    assert one.capture.state == "opening"
    assert one.capture.why == "stream 's': no such device"
    until(lambda: one.capture.state == "running")
    assert one.capture.why == ""
    assert driver.opens[1] - driver.opens[0] >= 0.19
    assert driver.opens[2] - driver.opens[1] >= 0.39


def test_a_busy_device_is_reported_only_after_a_while(watch, monkeypatch):
    """Breaks if a device that is just being released raises an alarm, or never does."""
    monkeypatch.setattr(capture, "BUSY_GRACE_S", 0.5)
    driver = Sensor()
    driver.refusal = lambda: DeviceUnavailable("s", "device is busy")
    one = watch(driver)
    until(lambda: len(driver.opens) == 2)
    assert one.capture.why == ""
    until(lambda: one.capture.why == "stream 's': device is busy")


def test_silence_is_a_loss(watch):
    """Breaks if a device that stops delivering without an error is never opened again, or what
    a driver says of it is lost."""
    driver = Sensor(*[lambda: time.sleep(0.1) or []] * 25)
    driver.why = "frames are passed over: too hot"
    one = watch(driver)
    until(lambda: len(driver.opens) == 2, 6.0)
    said = one.named("stream_lost")[0]
    assert said.endswith("no data for 2.0 s: frames are passed over: too hot")


def test_a_stream_without_a_rate_may_be_silent(watch):
    """Breaks if frames that a user pushes now and then count as a lost device."""
    driver = Sensor(*[lambda: time.sleep(0.1) or []] * 28, rate_hz=0.0)
    one = watch(driver)
    until(lambda: one.handover.take(0.1), 6.0)
    assert len(driver.opens) == 1


def test_pause_closes_the_device_before_it_says_so(watch):
    """Breaks if `paused` is answered while the camera still runs, or resume does not reopen."""
    driver = Sensor()
    one = watch(driver)
    until(lambda: one.capture.state == "running")
    assert one.capture.pause() == "paused"
    assert not driver.is_open
    one.handover.take(0.0)
    time.sleep(0.1)
    assert one.handover.take(0.0) == []
    assert one.capture.resume() == "opening"
    until(lambda: one.handover.take(0.1))
    assert one.capture.state == "running"
    names = [name for name, _ in one.events]
    assert names == ["stream_running", "stream_paused", "stream_running"]


def test_a_pause_that_a_driver_holds_up_is_not_called_paused(watch, monkeypatch):
    """Breaks if a user who asked for privacy is told that it is there when it is not."""
    monkeypatch.setattr(capture, "PAUSE_ACK_S", 0.1)
    release, reading = threading.Event(), threading.Event()
    driver = Sensor(lambda: reading.set() or (release.wait(5.0) and []))
    one = watch(driver)
    reading.wait(5.0)
    assert one.capture.pause() == "pausing"
    release.set()
    until(lambda: one.capture.state == "paused")


def test_stop_closes_the_device(watch):
    """Breaks if a drained stream leaves its device open or its thread running."""
    driver = Sensor()
    one = watch(driver)
    until(lambda: driver.is_open)
    one.capture.stop()
    assert not driver.is_open
    assert one.capture.state == "stopped"
    one.capture.check()


def test_stop_during_an_opening_that_hangs_returns(watch):
    """Breaks if a hanging driver can hold up the replica's shutdown."""
    release = threading.Event()
    driver = Sensor()
    driver.refusal = lambda: release.wait(5.0) and None
    one = watch(driver)
    until(lambda: driver.opens)
    start_s = time.monotonic()
    one.capture.stop(0.3)
    assert time.monotonic() - start_s < 1.0
    release.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_or_hung_thread_fails_the_health_check(watch, monkeypatch):
    """Breaks if Serve would never restart a replica whose sensor is stuck in a library."""
    dead = watch(Sensor(raises(SystemExit())))
    until(lambda: not dead.capture._thread.is_alive())
    with pytest.raises(RuntimeError, match="'s': the capture thread is dead"):
        dead.capture.check()
    monkeypatch.setattr(capture, "HUNG_S", 0.1)
    release = threading.Event()
    hung = watch(Sensor(lambda: release.wait(5.0) and []))
    time.sleep(0.3)
    with pytest.raises(RuntimeError, match="hangs"):
        hung.capture.check()
    release.set()


def test_handover_is_bounded_in_number_and_bytes():
    """Breaks if a stalled window thread lets raw frames pile up, or losses are not counted."""
    few = Handover(most=3)
    few.put([sample(i) for i in range(5)])
    assert few.overrun == 2
    assert [s.arrival_ns for s in few.take(0.0)] == [2, 3, 4]
    small = Handover(most_bytes=100)
    small.put([sample(i, n=10) for i in range(4)])  # 40 bytes each
    assert small.overrun == 2
    assert [s.arrival_ns for s in small.take(0.0)] == [2, 3]
    small.put([sample(9, n=1000)])
    assert len(small.take(0.0)) == 1  # the newest stays, however large
    small.put([sample(i, n=10) for i in range(2)])
    assert len(small.take(0.0)) == 2  # what was taken no longer counts


def test_take_waits_for_the_first_sample_only():
    """Breaks if the window thread polls, or sleeps while samples wait."""
    handover = Handover()
    start_s = time.monotonic()
    assert handover.take(0.05) == []
    assert time.monotonic() - start_s >= 0.045
    threading.Timer(0.05, lambda: handover.put([sample()])).start()
    assert len(handover.take(5.0)) == 1


def test_rate_counts_audio_samples_not_chunks():
    """Breaks if a microphone's rate is shown as chunks a second, or a dead stream as alive."""
    meter = RateMeter(Modality.AUDIO)
    for i in range(30):
        meter.add(sample(i * 100_000_000, n=1600))
    assert meter.rate_hz(29 * 100_000_000) == pytest.approx(16_000)
    assert meter.rate_hz(60 * 1_000_000_000) == 0.0
