"""What a replica does beside batching: many texts do not hold up the windows."""

from __future__ import annotations

import asyncio

import numpy as np

from bindstream.types import Encoding, Modality, Vector, Window
from encoders.batcher import Batcher
from encoders.replica import encode_in_pieces
from tests.system.toy_encoder import ToyEncoder

TEXTS = [f"text {n * n}" for n in range(40)]


class Logged(ToyEncoder):
    """A toy that writes down what it did: a window's seq, or how many texts."""

    def __init__(self) -> None:
        super().__init__(None)
        self.done: list[object] = []

    def encode(self, windows: list[Window]) -> Vector:
        self.done += [w.seq for w in windows]
        return super().encode(windows)

    def encode_text(self, texts: list[str]) -> Vector:
        self.done.append(len(texts))
        return super().encode_text(texts) if texts else np.empty((0, self.dim), np.float32)


def window(seq: int) -> Window:
    data = np.ones((4, 4), np.float32)
    return Window(
        robot="r",
        stream="depth",
        modality=Modality.DEPTH,
        epoch=1,
        seq=seq,
        start_ns=0,
        end_ns=1,
        data=data,
    )


def test_a_window_waits_for_one_piece_of_the_texts_alone():
    """Breaks if a long list of texts holds every stream up, or comes back in another order."""
    encoder = Logged()
    batcher = Batcher(encoder, 1)

    async def scenario() -> tuple[Vector, Encoding]:
        words = asyncio.create_task(encode_in_pieces(batcher, encoder, TEXTS))
        await asyncio.sleep(0)  # the first piece is now in the thread's queue
        sight = asyncio.create_task(batcher.encode(window(1000), 5.0))
        return await words, await sight

    vectors, encoding = asyncio.run(scenario())
    assert encoder.done == [16, 1000, 16, 8]
    assert encoding.refusal is None
    np.testing.assert_array_equal(vectors, ToyEncoder(None).encode_text(TEXTS))


def test_no_texts_are_no_rows_of_the_right_length():
    """Breaks if an empty question raises instead."""
    encoder = Logged()
    vectors = asyncio.run(encode_in_pieces(Batcher(encoder, 1), encoder, []))
    assert vectors.shape == (0, 16)
