"""The thread that reads a sensor: what drivers may do to it, and what must come of it."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bindstream.errors import DeviceBusy, DeviceLost, DeviceUnavailable, StreamEnded
from bindstream.types import Modality, Sample
from pipeline.sensing import capture, device_state, pace, upkeep, watch
from pipeline.sensing.capture import Capture
from pipeline.sensing.device import Device
from pipeline.sensing.handover import Handover
from sensors.world.driver import World
from tests.patience import PATIENCE_S, Stalls, until


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

    def __init__(self, driver: object, most: int = 4096) -> None:
        self.handover = Handover(most)
        self.events: list[tuple[str, str]] = []
        device = Device(driver, time.time_ns)  # type: ignore[arg-type]
        self.capture = Capture(
            device, "s", self.handover, lambda name, why: self.events.append((name, why))
        )

    def count(self, name: str) -> int:
        return self.capture.counters()[name]

    def named(self, name: str) -> list[str]:
        return [why for event, why in list(self.events) if event == name]


@pytest.fixture
def watched() -> Iterator[Callable[[object], Watched]]:
    made: list[Watched] = []

    def start(driver: object) -> Watched:
        made.append(Watched(driver))
        made[-1].capture.start()
        return made[-1]

    yield start
    for one in made:
        one.capture.stop(PATIENCE_S)


def test_samples_of_a_real_driver_come_through(watched):
    """Breaks if samples are lost or reordered between the driver and the window thread."""
    one = watched(World("imu", modality="imu"))
    times: list[int] = []
    until(lambda: times.extend(s.t_ns for s in one.handover.take(0.1)) or len(times) > 200)
    steps = np.diff(times)
    assert (np.abs(steps - 2_500_000) < 1000).all()
    assert one.capture.state == "running"
    until(lambda: 300 < one.capture.rate_hz(time.time_ns()) < 500, "a rate of 400 Hz")


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
def test_whatever_read_does_the_device_is_closed_and_opened_again(watched, read):
    """Breaks if anything a driver raises or returns ends the thread, or is not told."""
    driver = Sensor(read)
    one = watched(driver)
    until(lambda: len(driver.opens) == 2 and one.handover.take(0.1))
    assert driver.closes == 1
    assert one.count("reopened") == 1
    assert len(one.named("stream_lost")) == 1
    one.capture.check()


def test_a_close_that_raises_is_told_and_survived(watched):
    """Breaks if a driver that breaks its promise not to raise kills the thread."""
    driver = Sensor(raises(DeviceLost("s", "gone")))
    driver.close_error = OSError("already closed")
    one = watched(driver)
    until(lambda: len(driver.opens) == 2)
    assert one.named("driver_error") == ["close: OSError: already closed"]


def test_a_device_that_opens_and_fails_at_once_is_not_hammered(watched):
    """Breaks if an opening that works resets the backoff: hundreds of openings a second."""
    driver = Sensor(*[raises(DeviceLost("s", "flaps"))] * 1000)
    watched(driver)
    until(lambda: len(driver.opens) >= 4)  # 0, 0.2, 0.6, 1.4 s
    assert (np.diff(driver.opens[:4]) >= [0.19, 0.39, 0.79]).all()


def test_an_absent_device_is_waited_for_and_the_reason_stated(watched):
    """Breaks if an absent device is not tried again, or its stream does not say why."""
    driver = Sensor()
    driver.refusal = lambda: (
        DeviceUnavailable("s", "no such device") if len(driver.opens) < 3 else None
    )
    one = watched(driver)
    until(lambda: one.capture.why)
    assert one.capture.state == "opening"
    assert one.capture.why == "stream 's': no such device"
    until(lambda: one.capture.state == "running")
    assert one.capture.why == ""
    assert driver.opens[1] - driver.opens[0] >= 0.19
    assert driver.opens[2] - driver.opens[1] >= 0.39


def test_a_busy_device_is_reported_only_after_a_while(watched, monkeypatch):
    """Breaks if a device that is just being released raises an alarm, or never does."""
    monkeypatch.setattr(device_state, "BUSY_GRACE_S", 1.0)
    driver = Sensor()
    said: list[tuple[float, str]] = []

    def busy() -> Exception:
        said.append((time.monotonic() - begun_s, one.capture._state.why))
        return DeviceBusy("s", "held by another")

    driver.refusal = busy
    one, begun_s = Watched(driver), time.monotonic()
    one.capture.start()
    until(lambda: one.capture.why == "stream 's': held by another")
    one.capture.stop(PATIENCE_S)
    assert len(said) >= 2
    assert all(why == "" for since_s, why in said if since_s < 1.0)


def test_words_do_not_decide_what_is_busy(watched):
    """Breaks if a message that holds the word "busy" among other causes mutes itself for 15 s."""
    driver = Sensor()
    whys: list[str] = []

    def refusal() -> Exception:
        whys.append(one.capture._state.why)
        return DeviceUnavailable("s", "busy, no permission (group video)")

    driver.refusal = refusal
    one = Watched(driver)
    one.capture.start()
    until(lambda: len(whys) >= 2)
    one.capture.stop(PATIENCE_S)
    assert "no permission" in whys[1]  # told at the first refusal


def test_silence_is_a_loss(watched):
    """Breaks if a device that stops delivering without an error is never opened again, or what
    a driver says of it is lost."""
    driver = Sensor(*[lambda: time.sleep(0.1) or []] * 25)
    driver.why = "frames are passed over: too hot"
    one = watched(driver)
    until(lambda: len(driver.opens) == 2)
    (said,) = one.named("stream_lost")
    silent = re.search(r"no data for (\d+\.\d) s: frames are passed over: too hot$", said)
    assert silent
    assert float(silent[1]) >= 2.0


def test_silence_is_told_before_it_is_a_loss(watched):
    """Breaks if a camera that hangs leaves its stream "running" until it is given up."""
    quiet = threading.Event()
    driver = Sensor()
    driver.read = lambda timeout_s: (  # type: ignore[method-assign]
        (time.sleep(0.01) or [])
        if quiet.is_set()
        else (time.sleep(0.01) or [sample(time.time_ns())])
    )
    one = watched(driver)
    until(lambda: one.handover.take(0.1) and one.capture.state == "running")
    quiet.set()
    until(lambda: one.capture.state == "stalled")
    assert re.fullmatch(r"no data for \d+\.\d s", one.capture.why)
    assert one.count("reopened") == 0
    quiet.clear()
    until(lambda: one.capture.state == "running" and not one.capture.why)


def test_a_stream_without_a_rate_may_be_silent(watched):
    """Breaks if frames that a user pushes now and then count as a lost device."""
    driver = Sensor(*[lambda: time.sleep(0.1) or []] * 28, rate_hz=0.0)
    one = watched(driver)
    until(lambda: one.handover.take(0.1))
    assert len(driver.opens) == 1


def frames(*shapes: tuple[int, ...], dtype: str = "uint8") -> Callable[[], object]:
    """A read that gives one array of each shape, stamped now."""

    def read() -> object:
        time.sleep(0.01)
        now_ns = time.time_ns()
        return [Sample("s", now_ns + i, np.zeros(s, dtype), now_ns) for i, s in enumerate(shapes)]

    return read


def test_samples_that_are_refused_are_counted_and_the_state_says_what_they_were(watched):
    """Breaks if frames of zero size leave a stream "running" without a word."""
    driver = Sensor(*[frames((0, 0, 3))] * 10_000)
    driver.modality = Modality.VISION
    one = watched(driver)
    until(lambda: one.count("invalid") > 20)
    assert "(H, W, 3) uint8 RGB, got uint8 of shape (0, 0, 3)" in one.capture.why
    assert one.handover.take(0.0) == []
    assert len(one.named("samples_refused")) == 1  # not one per frame
    until(lambda: one.named("stream_lost"))
    assert "no usable data" in one.named("stream_lost")[0]
    assert "of shape (0, 0, 3)" in one.capture.why  # also while it opens again


def test_good_frames_among_bad_ones_come_through(watched):
    """Breaks if a driver whose frames change their kind loses the good ones, or is reopened."""
    driver = Sensor(*[frames((8, 8, 3), (8, 8), (0, 8, 3), (8, 8, 4))] * 50)
    driver.modality = Modality.VISION
    one = watched(driver)
    got: list[Sample] = []
    until(lambda: got.extend(one.handover.take(0.1)) or len(got) >= 50)
    assert {s.data.shape for s in got} == {(8, 8, 3)}
    assert one.count("invalid") == 3 * len(got)
    assert one.count("reopened") == 0


def test_a_device_that_bursts_is_learnt(watched, monkeypatch):
    """Breaks if a device that gives its readings in bursts is opened anew for ever."""
    monkeypatch.setattr(pace, "LEAST_S", 0.2)
    next_s = [time.monotonic()]

    def burst() -> object:
        if time.monotonic() < next_s[0]:
            time.sleep(0.02)
            return []
        next_s[0] = time.monotonic() + 0.7
        return [sample(time.time_ns()) for _ in range(70)]

    driver = Sensor(*[burst] * 100_000)
    one = watched(driver)
    until(lambda: one.count("reopened") >= 1)
    opened = -1
    while opened != one.count("reopened"):  # until three bursts come without an opening
        opened, waited_s = one.count("reopened"), next_s[0] + 2.1
        assert opened < 6
        until(lambda until_s=waited_s: time.monotonic() > until_s)
    assert one.capture.state == "running"


@pytest.mark.parametrize("where", ["open", "read"])
def test_a_driver_that_says_it_is_over_is_not_opened_again(watched, where):
    """Breaks if a recording is played again, or its end is told as a loss."""
    over = StreamEnded("s", "the drive has ended")
    driver = Sensor(lambda: [sample()], raises(over))
    driver.refusal = lambda: over if where == "open" else None
    one = watched(driver)
    until(lambda: one.capture.state == "ended")
    time.sleep(2 * upkeep.BACKOFF_S[0])
    assert one.named("stream_ended") == ["stream 's': the drive has ended"]
    assert one.named("stream_lost") == []
    assert len(driver.opens) == 1
    assert not driver.is_open
    assert one.capture.pause() == "ended"
    assert one.capture.resume() == "ended"
    one.capture.check()


def test_a_device_that_works_and_fails_is_tried_again_soon(watched):
    """Breaks if the back-off grows although frames come each time: gaps of seconds."""
    one_and_lost = [lambda: [sample(time.time_ns())], raises(DeviceLost("s", "flaps"))]
    driver = Sensor(*one_and_lost * 1000)
    with Stalls() as stalls:
        watched(driver)
        until(lambda: len(driver.opens) >= 6)
    waits_s = np.diff(driver.opens)
    assert np.median(waits_s) < 2 * upkeep.BACKOFF_S[0] + 2 * stalls.worst_s()


def test_a_device_that_repeats_itself_is_stalled(watched):
    """Breaks if a frozen camera's stream is "running" like any other, is closed for it, or stays
    stalled when the camera has come back."""
    driver = Sensor()
    driver.stalled = ""
    one = watched(driver)
    until(lambda: one.capture.state == "running")
    driver.stalled = "one and the same frame for 3.0 s: the source is frozen"
    assert (one.capture.state, one.capture.why) == ("stalled", driver.stalled)
    until(lambda: one.handover.take(0.1))
    driver.stalled = ""
    assert (one.capture.state, one.capture.why) == ("running", "")
    assert driver.closes == 0


def test_a_driver_that_hangs_is_said_to(watched, monkeypatch):
    """Breaks if a stream whose driver hangs in a library stays "running" without a word."""
    monkeypatch.setitem(watch.STUCK_S, "running", 0.3)
    release = threading.Event()
    one = watched(Sensor(lambda: release.wait(PATIENCE_S) and []))
    until(lambda: one.capture.state == "failed")
    assert "the driver's read has not returned for" in one.capture.why
    one.capture.check()  # not yet a reason to end the replica
    release.set()
    until(lambda: one.capture.state == "running" and not one.capture.why)


class Odd:
    """Somebody's driver: every number that it shows is of another type."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.modality = Modality.IMU
        self.opens = 0

    @property
    def rate_hz(self) -> object:
        return self._draw.choice([np.float32(50), 0, None, "fast", float("inf"), -1])

    def open(self, now_ns: Callable[[], int]) -> None:
        self.opens += 1

    def read(self, timeout_s: float) -> object:
        time.sleep(0.001)
        now_ns = time.time_ns()
        draw = self._draw.choice
        wide = np.arange(24, dtype=draw(["f8", "f4", ">f4", "i4", "f2"])).reshape(6, 4)
        data = draw([wide[:, 1], list(range(6)), (0.0,) * 6, wide, "text", None, [[1], [1, 2]]])
        odd = [None, float("nan"), -5, "now", 1 << 70]
        t_ns = draw([np.int64(now_ns), float(now_ns), now_ns, *odd])
        one = Sample("s", t_ns, data, draw([now_ns, np.int64(now_ns)]))
        return draw([[one], (one,), one, iter([one]), None, [], 3, ["x"], [None]])

    def close(self) -> None:
        pass


def test_a_fuzz_of_drivers_never_ends_the_thread(watched, monkeypatch):
    """Breaks if any type that a user's driver hands over ends the thread or reaches the windows."""
    monkeypatch.setattr(upkeep, "BACKOFF_S", (0.001, 0.002))
    one = watched(Odd(random.Random(7)))
    got: list[Sample] = []
    until(lambda: got.extend(one.handover.take(0.1)) or len(got) >= 30)
    one.capture.check()
    for each in got:
        assert type(each.t_ns) is int
        assert type(each.arrival_ns) is int
        assert each.data.dtype == np.dtype("<f4")
        assert each.data.shape == (6,)
        assert each.data.flags.c_contiguous


def test_an_error_that_cannot_be_printed_is_still_a_reason(watched):
    """Breaks if a driver's own exception, or a file name that is no UTF-8, ends the thread."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    one = watched(Sensor(raises(Mute()), raises(OSError("/data/\udcff.bin"))))
    until(lambda: len(one.named("stream_lost")) == 2)
    for why in one.named("stream_lost"):
        why.encode()


def test_pause_closes_the_device_before_it_says_so(watched, monkeypatch):
    """Breaks if `paused` is answered while the camera still runs, or resume does not reopen."""
    driver = Sensor()
    one = watched(driver)
    until(lambda: one.capture.state == "running")
    monkeypatch.setattr(capture, "PAUSE_ACK_S", PATIENCE_S)
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


def test_a_pause_that_a_driver_holds_up_is_not_called_paused(watched, monkeypatch):
    """Breaks if a user who asked for privacy is told that it is there when it is not."""
    monkeypatch.setattr(capture, "PAUSE_ACK_S", 0.1)
    release, reading = threading.Event(), threading.Event()
    driver = Sensor(lambda: reading.set() or (release.wait(PATIENCE_S) and []))
    one = watched(driver)
    reading.wait(PATIENCE_S)
    assert one.capture.pause() == "pausing"
    release.set()
    until(lambda: one.capture.state == "paused")


def test_stop_closes_the_device(watched):
    """Breaks if a drained stream leaves its device open or its thread running."""
    driver = Sensor()
    one = watched(driver)
    until(lambda: driver.is_open)
    one.capture.stop(PATIENCE_S)
    assert not driver.is_open
    assert one.capture.state == "stopped"
    one.capture.check()


def test_stop_during_an_opening_that_hangs_returns(watched):
    """Breaks if a hanging driver can hold up the replica's shutdown."""
    release = threading.Event()
    driver = Sensor()
    driver.refusal = lambda: release.wait(PATIENCE_S) and None
    one = watched(driver)
    until(lambda: driver.opens)
    one.capture.stop(0.3)
    assert one.capture._thread.is_alive()  # so nobody waited for it
    release.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_or_hung_thread_fails_the_health_check(watched, monkeypatch):
    """Breaks if Serve would never restart a replica whose sensor is stuck in a library."""
    dead = watched(Sensor(raises(SystemExit())))
    until(lambda: not dead.capture._thread.is_alive())
    with pytest.raises(RuntimeError, match="'s': the capture thread is dead"):
        dead.capture.check()
    monkeypatch.setattr(watch, "HUNG_S", 0.1)
    release = threading.Event()
    hung = watched(Sensor(lambda: release.wait(PATIENCE_S) and []))
    with pytest.raises(RuntimeError, match="hangs"):
        until(hung.capture.check)
    release.set()


def test_a_driver_is_not_read_while_there_is_no_room(monkeypatch):
    """Breaks if a recording fills the memory, loses samples, or its driver is blamed and opened
    anew for the time in which nobody read it."""
    monkeypatch.setattr(pace.Pace, "patience_s", 0.3)
    given = [sample(i) for i in range(40)]
    reads = [lambda n=n: given[n : n + 4] for n in range(0, 40, 4)]
    driver = Sensor(*reads, raises(StreamEnded("s", "the drive has ended")))
    one = Watched(driver, most=10)
    one.handover.waits = True
    one.capture.start()
    until(lambda: not one.handover.has_room(0.0))
    time.sleep(2 * 0.3)
    got: list[Sample] = []
    while one.capture.state != "ended" or not one.handover.is_empty():
        taken = one.handover.take(0.1)
        assert len(taken) <= 10 + 4
        got += taken
    one.capture.stop(PATIENCE_S)
    assert [s.arrival_ns for s in got] == list(range(40))
    assert one.count("untaken") == 0
    assert len(driver.opens) == 1


def test_a_recording_may_be_silent_for_as_long_as_it_was(watched, monkeypatch):
    """Breaks if a gap in a recording, at its own pace, is taken for a lost device."""
    monkeypatch.setattr(pace, "LEAST_S", 0.2)
    driver = Sensor(lambda: time.sleep(1.0) or [], rate_hz=1000.0)
    driver.recorded = True  # type: ignore[attr-defined]
    one = watched(driver)
    until(lambda: one.handover.take(0.1))
    assert one.named("stream_lost") == []
