"""Windows before an encoder: batched by backlog, oldest first, each with its own answer."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from bindstream.errors import InvalidInput
from bindstream.types import Encoding, Modality, Reason, Vector, Window
from encoders.batcher import Batcher
from tests.patience import PATIENCE_S
from tests.system.toy_encoder import ToyEncoder


def window(
    seq: int, modality: Modality = Modality.DEPTH, size: int = 4, stream: str = ""
) -> Window:
    data = np.full((size, size), float(seq + 1), np.float32)
    return Window(
        robot="r",
        stream=stream or f"s{seq}",
        modality=modality,
        epoch=1,
        seq=seq,
        start_ns=0,
        end_ns=1,
        data=data,
    )


class Gated(ToyEncoder):
    """A toy that waits for its gate, and writes down what it was given together."""

    def __init__(self, **options: Any) -> None:
        super().__init__(None, **options)
        self.gate, self.entered = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.error: Exception | None = None
        self.short = False

    def encode(self, windows: list[Window]) -> Vector:
        self.entered.set()
        self.gate.wait(PATIENCE_S)
        self.batches.append([w.seq for w in windows])
        if self.error:
            raise self.error
        vectors = super().encode(windows)
        return vectors[1:] if self.short else vectors


async def occupied(encoder: Gated, batcher: Batcher, first: Window) -> asyncio.Task[Any]:
    """The first window is with the encoder now, until the gate opens."""
    task = asyncio.create_task(batcher.encode(first, PATIENCE_S))
    while not encoder.entered.is_set():
        await asyncio.sleep(0.005)
    return task


async def behind(encoder: Gated, batcher: Batcher, windows: list[Window]) -> list[Any]:
    """The first window occupies the encoder while the others queue up behind it."""
    tasks = [await occupied(encoder, batcher, windows[0])]
    for one in windows[1:]:
        tasks.append(asyncio.create_task(batcher.encode(one, PATIENCE_S)))
        await asyncio.sleep(0.02)
    encoder.gate.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def run(windows: list[Window], max_batch: int, **settings: Any) -> Any:
    encoder = Gated()
    for name, value in settings.items():
        setattr(encoder, name, value)
    answers = asyncio.run(behind(encoder, Batcher(encoder, max_batch), windows))
    return encoder.batches, answers


def test_one_window_does_not_wait_for_company():
    """Breaks if batching makes a lone window late."""
    batches, answers = run([window(0)], 8)
    assert batches == [[0]]
    assert isinstance(answers[0], Encoding)
    assert answers[0].refusal is None
    assert answers[0].space_id == "toy:000000000000"


def test_what_queued_up_is_encoded_together_up_to_the_limit():
    """Breaks if a backlog is worked off one by one where batching pays, or beyond the limit."""
    batches, answers = run([window(i) for i in range(6)], 3)
    assert batches == [[0], [1, 2, 3], [4, 5]]
    alone = ToyEncoder(None)
    for i, answer in enumerate(answers):
        np.testing.assert_allclose(answer.vector, alone.encode([window(i)])[0], atol=1e-6)
    assert answers[1].queue_ms > answers[5].queue_ms > 0


def test_lossless_windows_of_one_stream_are_all_encoded():
    """Breaks if a recording's window is superseded by the next one in the encoder's queue."""
    all_of_one = [replace(window(i, stream="s"), lossless=True) for i in range(4)]
    batches, answers = run(all_of_one, 1)
    assert batches == [[0], [1], [2], [3]]
    assert [a.refusal for a in answers] == [None] * 4


def test_only_alike_windows_share_a_batch_and_none_is_forgotten():
    """Breaks if two modalities or sizes land in one batch, or those put back are never taken."""
    mixed = [
        window(0), window(1), window(2, Modality.THERMAL), window(3), window(4, size=8), window(5),
    ]  # fmt: skip
    batches, answers = run(mixed, 4)
    assert batches == [[0], [1, 3, 5], [2], [4]]
    assert all(isinstance(a, Encoding) and a.refusal is None for a in answers)


def test_what_expired_in_the_queue_is_refused_unencoded():
    """Breaks if a slow encoder spends its time on windows that nobody wants any more."""
    encoder = Gated()
    batcher = Batcher(encoder, 1)

    async def scenario() -> list[Any]:
        first = await occupied(encoder, batcher, window(0))
        second = asyncio.create_task(batcher.encode(window(1), 0.05))
        await asyncio.sleep(0.15)
        encoder.gate.set()
        return [await first, await second]

    first, second = asyncio.run(scenario())
    assert first.refusal is None
    assert second.refusal is Reason.ENCODER_TIMEOUT
    assert second.vector is None
    assert second.queue_ms >= 100
    assert encoder.batches == [[0]]


def test_what_was_given_up_is_not_encoded():
    """Breaks if cancelled calls still cost the encoder its time."""
    encoder = Gated()
    batcher = Batcher(encoder, 1)

    async def scenario() -> Any:
        tasks = [await occupied(encoder, batcher, window(0))]
        tasks += [asyncio.create_task(batcher.encode(window(i), PATIENCE_S)) for i in (1, 2)]
        await asyncio.sleep(0.05)
        tasks[1].cancel()
        await asyncio.sleep(0.02)
        encoder.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(scenario())
    assert encoder.batches == [[0], [2]]
    assert isinstance(answers[1], asyncio.CancelledError)


def test_a_window_that_is_not_finite_spoils_itself_alone():
    """Breaks if one broken sensor takes its neighbours' vectors with it."""
    broken = window(2)
    broken.data[0, 0] = np.nan
    _, answers = run([window(0), window(1), broken, window(3)], 3)
    assert [a.refusal for a in answers] == [None, None, Reason.INVALID_INPUT, None]
    assert [a.why for a in answers] == ["", "", "the encoder gave no finite vector", ""]
    assert answers[2].vector is None


def test_an_encoders_error_goes_to_those_who_asked_and_the_next_is_served():
    """Breaks if an exception ends the thread, or somebody waits for ever."""
    encoder = Gated(fail_every=2)
    answers = asyncio.run(behind(encoder, Batcher(encoder, 2), [window(i) for i in range(5)]))
    kinds = [type(a) for a in answers]
    assert kinds == [Encoding, RuntimeError, RuntimeError, Encoding, Encoding]


def test_a_modality_that_the_encoder_lacks_is_invalid_input():
    """Breaks if what cannot be encoded looks like a failure of the encoder."""
    _, answers = run([window(0)], 1, error=InvalidInput("no thermal"))
    assert answers[0].refusal is Reason.INVALID_INPUT
    assert answers[0].why == "no thermal"


def test_too_few_vectors_are_an_error_not_a_silence():
    """Breaks if a broken encoder of somebody's leaves callers waiting, or mixes up vectors."""
    _, answers = run([window(0)], 1, short=True)
    assert isinstance(answers[0], RuntimeError)
    assert "0 vectors for 1" in str(answers[0])


def test_words_are_encoded_between_two_batches():
    """Breaks if text runs beside a batch: two threads in one model."""
    encoder = Gated()
    batcher = Batcher(encoder, 1)

    async def scenario() -> Any:
        sight = await occupied(encoder, batcher, window(0))
        words = asyncio.create_task(batcher.in_thread(lambda: encoder.encode_text(["a", "b"])))
        done, _ = await asyncio.wait([words], timeout=0.1)
        assert not done
        encoder.gate.set()
        return await sight, await words

    encoding, vectors = asyncio.run(scenario())
    assert encoding.refusal is None
    assert vectors.shape == (2, 16)


@pytest.mark.parametrize("max_batch", [1, 4])
def test_everyone_gets_their_own_answer_under_load(max_batch):
    """Breaks if answers are swapped or lost when windows come from many streams at once."""
    encoder = ToyEncoder(None)
    batcher = Batcher(encoder, max_batch)
    kinds = [Modality.DEPTH, Modality.THERMAL]
    windows = [window(i, kinds[i % 2], 4 + i % 3) for i in range(120)]

    async def scenario() -> Any:
        return await asyncio.gather(*(batcher.encode(w, PATIENCE_S) for w in windows))

    for one, answer in zip(windows, asyncio.run(scenario()), strict=True):
        np.testing.assert_allclose(answer.vector, encoder.encode([one])[0], atol=1e-6)


def test_a_newer_window_of_a_stream_takes_the_place_of_the_older() -> None:
    """Fails when an overloaded encoder works off old windows, or a stream loses its turn."""
    windows = [window(0), window(1, stream="a"), window(2, stream="b"), window(3, stream="a")]
    batches, answers = run(windows, max_batch=1)
    assert batches == [[0], [3], [2]]
    assert answers[1].refusal is Reason.SUPERSEDED
    assert all(a.vector is not None for a in (answers[0], answers[2], answers[3]))
