"""What a replica does beside batching: many texts do not hold up the windows."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np

from bindstream.formats import Sound, from_plain
from bindstream.types import Encoding, Modality, Vector, Window
from encoders.batcher import Batcher
from encoders.imagebind.window_formats import USUAL
from encoders.replica import EncoderReplica, encode_in_pieces
from tests.patience import PATIENCE_S
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
        sight = asyncio.create_task(batcher.encode(window(1000), PATIENCE_S))
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


class Tutor(ToyEncoder):
    """A text has another vector for each modality; towers are loaded when asked for."""

    text_per_modality = True

    def __init__(self) -> None:
        super().__init__(None, windows={Modality.AUDIO: Sound(length_s=1.0, rate_hz=22_050)})
        self.asked: list[object] = []
        self.threads: set[str] = set()

    def prepare(self, modality: Modality) -> None:
        self.asked.append(modality)
        self.threads.add(threading.current_thread().name)

    def encode_text(self, texts: list[str], modality: Modality | None = None) -> Vector:
        return super().encode_text([f"{modality}: {text}" for text in texts])


def replica(encoder: str, in_use: tuple[str, ...] = ()) -> EncoderReplica:
    target, options = f"tests.encoders.test_replica:{encoder}", {}
    return EncoderReplica(
        target, None, None, "cpu", "float32", 1, 1, options, in_use=lambda: in_use
    )


class Alone(Tutor):
    def __init__(self, weights: str | None, **_: Any) -> None:
        super().__init__()


class Deaf(Logged):
    """Takes a text alone."""

    def __init__(self, weights: str | None, **_: Any) -> None:
        super().__init__()


def test_describes_its_windows_and_loads_what_is_asked_for_in_the_thread_that_encodes():
    """Breaks if a stream cannot learn what to cut, or if a tower is first loaded while its first
    window waits."""
    one = replica("Alone")
    told = asyncio.run(one.describe("audio"))
    formats = from_plain(told["formats"])
    assert formats[Modality.AUDIO] == Sound(length_s=1.0, rate_hz=22_050)
    assert formats[Modality.VISION] == USUAL[Modality.VISION]
    assert told["text_per_modality"] is True
    assert one._encoder.asked == [Modality.AUDIO]
    asyncio.run(one.describe("audio"))
    asyncio.run(one.describe())
    asyncio.run(one.encode(window(1), PATIENCE_S))
    asyncio.run(one.encode_text(["a"]))
    assert one._encoder.asked == [Modality.AUDIO, Modality.DEPTH, Modality.TEXT]
    assert all(name.startswith("encode") for name in one._encoder.threads)


def test_a_text_is_encoded_for_the_modality_that_is_meant():
    """Breaks if an encoder with a text for each modality is not told which."""
    one = replica("Alone")
    alone, audio, imu = (asyncio.run(one.encode_text(["a dog"], m)) for m in (None, "audio", "imu"))
    assert np.array_equal(audio, one._encoder.encode_text(["a dog"], Modality.AUDIO))
    assert not np.array_equal(audio, imu)
    assert not np.array_equal(audio, alone)
    deaf = replica("Deaf")
    assert asyncio.run(deaf.describe())["text_per_modality"] is False
    assert asyncio.run(deaf.encode_text(["a dog"], "audio")).shape == (1, 16)


def test_a_replica_that_takes_anothers_place_loads_what_that_one_had():
    """Breaks if the windows of every stream wait for their towers when an encoder is replaced."""
    before = replica("Alone")
    asyncio.run(before.describe("imu"))
    asyncio.run(before.encode(window(1), PATIENCE_S))
    assert before.loaded() == ["depth", "imu"]
    after = replica("Alone", in_use=tuple(before.loaded()))
    assert after._encoder.asked == [Modality.DEPTH, Modality.IMU]
    assert after.loaded() == before.loaded()
