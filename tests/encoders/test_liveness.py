"""What is dead does not look alive: what a replica's health check finds, and what it spares."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import numpy as np
import pytest

from bindstream.errors import InvalidInput
from bindstream.types import Modality, Vector, Window
from encoders import liveness
from encoders.batcher import Batcher
from encoders.liveness import FAILURES, Liveness
from encoders.replica import EncoderReplica, encode_in_pieces
from tests.patience import PATIENCE_S
from tests.system.toy_encoder import ToyEncoder

TOY = f"{__name__}:Failing"


def window(seq: int = 0, modality: Modality = Modality.DEPTH) -> Window:
    data = np.ones((4, 4), np.float32)
    return Window(
        robot="r",
        stream="eye",
        modality=modality,
        epoch=1,
        seq=seq,
        start_ns=0,
        end_ns=1,
        data=data,
    )


class Failing(ToyEncoder):
    """From call ``from_call`` on it raises; ``broken`` tells whether its own check does too."""

    def __init__(self, weights: str | None = None, *, from_call: int = 3, **options) -> None:
        super().__init__(weights, **options)
        self.from_call = from_call
        self.calls = 0
        self.error: BaseException = RuntimeError("CUDA error: device-side assert\nand a trace")

    def encode(self, windows: list[Window]) -> Vector:
        self.calls += 1
        if self.calls >= self.from_call:
            raise self.error
        return super().encode(windows)


class Checked(Failing):
    """The same with a check of its own."""

    broken = True

    def check(self) -> None:
        if self.broken:
            raise RuntimeError("an illegal memory access was encountered")


class Hanging(ToyEncoder):
    """Its second encoding never ends, until the test lets it."""

    def __init__(self) -> None:
        super().__init__(None)
        self.released = threading.Event()
        self.calls = 0

    def encode(self, windows: list[Window]) -> Vector:
        self.calls += 1
        self.called_s = time.monotonic()
        if self.calls == 2:
            self.released.wait(PATIENCE_S)
        return super().encode(windows)


def encoded(batcher: Batcher, count: int) -> list[object]:
    async def scenario() -> list[object]:
        answers = []
        for seq in range(count):
            answers += await asyncio.gather(
                batcher.encode(window(seq), PATIENCE_S), return_exceptions=True
            )
        return answers

    return asyncio.run(scenario())


def test_a_replica_whose_encoder_fails_for_everything_asks_to_be_replaced(monkeypatch):
    """Breaks if a poisoned CUDA context stays until an operator comes."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # and back again: a replica sets them
    monkeypatch.setattr(sys, "setswitchinterval", lambda seconds: None)
    replica = EncoderReplica(TOY, None, None, "cpu", "float32", 1, 1, {"from_call": 3})

    async def scenario() -> None:
        for seq in range(2 + FAILURES - 1):
            await asyncio.gather(replica.encode(window(seq), PATIENCE_S), return_exceptions=True)
            await replica.check_health()
        await asyncio.gather(replica.encode(window(9), PATIENCE_S), return_exceptions=True)
        await replica.check_health()

    with pytest.raises(RuntimeError, match=r"^3 encodings in a row failed \(RuntimeError: CUDA"):
        asyncio.run(scenario())


def test_what_failed_now_and_then_is_kept():
    """Breaks if every failure counts, however many encodings went well between."""
    batcher = Batcher(ToyEncoder(None, fail_every=2), 1)
    answers = encoded(batcher, 4 * FAILURES)
    assert sum(isinstance(a, RuntimeError) for a in answers) == 2 * FAILURES
    assert batcher.fault() is None


def test_inputs_that_cannot_be_encoded_are_no_failure_of_the_encoder():
    """Breaks if a broken sensor has the encoder of all streams replaced for ever."""
    encoder = Failing(from_call=0)
    encoder.error = InvalidInput("no such thing")
    batcher = Batcher(encoder, 1)
    encoded(batcher, 3 * FAILURES)
    assert batcher.fault() is None


def test_the_encoders_own_check_decides_where_it_has_one(caplog):
    """Breaks if one kind of window on which an encoder stumbles is taken for a dead device, or a
    dead device for such a window."""
    encoder = Checked(from_call=0)
    batcher = Batcher(encoder, 1)
    encoded(batcher, FAILURES)
    assert "and so did its own check (RuntimeError: an illegal memory" in (batcher.fault() or "")
    encoder.broken = False
    encoded(batcher, FAILURES)
    assert batcher.fault() is None
    assert "its own check passes: it is what these windows hold" in caplog.text


def test_texts_count_as_well():
    """Breaks if a device that fails for words, which come first, is found by windows alone."""

    class Mute(ToyEncoder):
        def encode_text(self, texts: list[str]) -> Vector:
            raise RuntimeError("CUDA error")

    encoder = Mute(None)
    batcher = Batcher(encoder, 1)

    async def ask() -> None:
        await asyncio.gather(encode_in_pieces(batcher, encoder, ["a"]), return_exceptions=True)

    for _ in range(FAILURES):
        asyncio.run(ask())
    assert "3 encodings in a row failed" in (batcher.fault() or "")


def test_one_that_hangs_is_found_by_what_it_usually_takes(monkeypatch):
    """Breaks if an encode thread that waits for a kernel for ever passes for a slow one."""
    monkeypatch.setattr(liveness, "LEAST_S", 0.5)
    encoder = Hanging()
    batcher = Batcher(encoder, 1)

    async def scenario() -> tuple[str | None, str]:
        await batcher.encode(window(0), PATIENCE_S)
        stuck = asyncio.create_task(batcher.encode(window(1), PATIENCE_S))
        while encoder.calls < 2:
            await asyncio.sleep(0.01)
        at_once = batcher.fault()
        if time.monotonic() - encoder.called_s > 0.4:
            at_once = None  # we looked too late
        while not (later := batcher.fault()):
            await asyncio.sleep(0.02)
        encoder.released.set()
        await stuck
        return at_once, later

    at_once, later = asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))
    assert at_once is None
    assert later.startswith("the encode thread hangs: 1 of depth for ")
    assert batcher.fault() is None  # it came back


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def worked(alive: Liveness, clock: Clock, took_s: float, kind: str = "vision") -> None:
    with alive.job(kind, 1):
        clock.now_s += took_s


def test_the_bound_follows_what_was_measured():
    """Breaks if a large model on a slow machine is killed in its first minute, if one job that a
    stopped process made long moves the bound, or a batch of many is judged as one."""
    clock = Clock()
    alive = Liveness(clock=clock)
    assert alive.limit_s("vision", 1) == liveness.FIRST_S
    for took_s in (0.003, 0.003, 3600.0):
        worked(alive, clock, took_s)
    assert alive.limit_s("vision", 1) == liveness.LEAST_S
    for _ in range(5):
        worked(alive, clock, 3.0, "audio")
    assert alive.limit_s("audio", 1) == pytest.approx(60.0)
    assert alive.limit_s("audio", 8) == pytest.approx(480.0)
    with alive.job("audio", 1):
        clock.now_s += 59
        assert alive.fault() is None
        clock.now_s += 2
        assert alive.fault() == (
            "the encode thread hangs: 1 of audio for 61 s now; 60 s were enough for any before"
        )


def test_a_thread_that_takes_nothing_is_dead():
    """Breaks if windows that nobody takes look like an idle encoder."""
    clock = Clock()
    alive = Liveness(clock=clock)
    worked(alive, clock, 0.003)
    clock.now_s += 3600
    assert alive.fault(None) is None  # nobody asked for an hour
    since_s = clock.now_s
    assert alive.fault(since_s) is None
    clock.now_s += liveness.LEAST_S + 1
    assert "the encode thread is dead" in (alive.fault(since_s) or "")


def test_a_dead_thread_of_a_batcher_is_seen(monkeypatch):
    """Breaks if the batcher does not say that windows wait."""
    monkeypatch.setattr(liveness, "LEAST_S", 0.2)
    batcher = Batcher(ToyEncoder(None), 1)
    monkeypatch.setattr(batcher._thread, "submit", lambda *_: None)  # it will never come

    async def scenario() -> str:
        asking = asyncio.create_task(batcher.encode(window(), PATIENCE_S))
        while not (fault := batcher.fault()):
            await asyncio.sleep(0.02)
        asking.cancel()
        return fault

    assert "the encode thread is dead" in asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_an_encoder_that_ends_its_thread_is_an_error_not_a_silence(error):
    """Breaks if whoever asked waits until its own patience ends."""
    encoder = Failing(from_call=0)
    encoder.error = error
    (answer,) = encoded(Batcher(encoder, 1), 1)
    assert isinstance(answer, RuntimeError)
    assert type(error).__name__ in str(answer)


def test_vectors_that_are_no_numbers_are_an_error_not_a_silence():
    """Breaks if what fails behind the encoder leaves callers waiting."""

    class Words(ToyEncoder):
        def encode(self, windows: list[Window]) -> Vector:
            return np.array([["a", "b"]])

    (words,) = encoded(Batcher(Words(None), 1), 1)
    assert isinstance(words, ValueError)
