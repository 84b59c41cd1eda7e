"""A robot inside the test's process: real driver, windows, sockets and publisher; no Ray.

``Handle`` alone is a stand-in: it carries a window to a real ``Batcher`` as a Serve handle would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from bindstream.formats import to_plain
from bindstream.subscriber import Subscriber
from bindstream.types import (
    Embedding,
    Encoding,
    Event,
    Health,
    Modality,
    Sample,
    Tombstone,
    Vector,
    Window,
)
from bindstream.wire import Message
from encoders.batcher import Batcher
from encoders.offer import formats_of
from pipeline.clock import LIVE, Timing
from pipeline.ingest import Ingest
from pipeline.plan import LivePlan, QuestionPlan, RobotPlan, StreamPlan
from pipeline.publisher.publish import Publish
from tests.patience import PATIENCE_S, until
from tests.system.toy_encoder import ToyEncoder

HOP_S = 0.2


class _Response:
    def __init__(self, future: Any) -> None:
        self._future = future

    def result(self, timeout_s: float | None = None) -> Any:
        return self._future.result(timeout_s)

    def cancel(self) -> None:
        self._future.cancel()


class _Method:
    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[..., Any]) -> None:
        self._loop, self._call = loop, call

    def remote(self, *arguments: Any) -> _Response:
        return _Response(asyncio.run_coroutine_threadsafe(self._call(*arguments), self._loop))


class Handle:
    """Stands for the Serve handle of an encoder's deployment."""

    def __init__(self, encoder: ToyEncoder) -> None:
        self.replace(encoder)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.encode = _Method(self._loop, self._encode)
        self.encode_text = _Method(self._loop, self._encode_text)
        self.describe = _Method(self._loop, self._describe)
        self.texts: list[list[str]] = []
        self.text_failures = 0
        self.text_error: Exception | None = None

    def options(self, **_: Any) -> Handle:
        return self

    def replace(self, encoder: ToyEncoder) -> None:
        """As when a new version of the encoder's application is deployed."""
        self._encoder, self._batcher = encoder, Batcher(encoder, 1)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _encode(self, window: Window, budget_s: float) -> Encoding:
        return await self._batcher.encode(window, budget_s)

    async def _encode_text(self, texts: list[str], modality: str | None = None) -> Vector:
        self.texts.append(texts)
        if self.text_error:
            raise self.text_error
        if self.text_failures:
            self.text_failures -= 1
            raise RuntimeError("still loading")
        told = (Modality(modality),) if modality and self._per_modality else ()
        return await self._batcher.in_thread(lambda: self._encoder.encode_text(texts, *told))

    @property
    def _per_modality(self) -> bool:
        return bool(getattr(self._encoder, "text_per_modality", False))

    async def _describe(self, modality: str | None = None) -> dict[str, Any]:
        if modality:
            await self._batcher.prepare(Modality(modality))
        formats = formats_of(self._encoder.modalities, getattr(self._encoder, "windows", {}))
        return {
            "space_id": self._encoder.space_id,
            "encoder_id": self._encoder.encoder_id,
            "text_per_modality": self._per_modality,
            "formats": to_plain(formats),
        }


class Probe:
    """A user's own depth camera at 20 Hz, told what to do through ``Probe.tell[stream]``."""

    modality = Modality.DEPTH
    rate_hz = 20.0
    latency_ms = 0.0
    tell: dict[str, Callable[[Sample], Sample]] = {}  # noqa: RUF012
    open_now: set[str] = set()  # noqa: RUF012

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._now_ns: Callable[[], int] = time.time_ns

    def open(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self.open_now.add(self._stream)

    def read(self, timeout_s: float) -> list[Sample]:
        time.sleep(1 / self.rate_hz)
        now_ns = self._now_ns()
        sample = Sample(self._stream, now_ns, np.full((4, 4), 2.0, np.float32), now_ns)
        return [self.tell.get(self._stream, lambda s: s)(sample)]

    def close(self) -> None:
        self.open_now.discard(self._stream)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stream_plan(stream: str = "depth", **changes: Any) -> StreamPlan:
    fields: dict[str, Any] = {
        "robot": "rover",
        "stream": stream,
        "modality": Modality.DEPTH,
        "driver": "tests.pipeline.robot:Probe",
        "options": {},
        "length_s": None,
        "hop_s": HOP_S,
        "deadline_s": 5.0,
        "in_flight": 1,
    }
    return StreamPlan(**(fields | changes))


class Robot:
    """The publisher of ``rover`` and what its readers were told; streams by ``start``.

    ``with Robot("depth") as robot`` makes folders of its own for sockets and counters.
    """

    def __init__(
        self,
        *streams: str,
        questions: list[QuestionPlan] | None = None,
        endpoint: str | None = None,
        timing: Timing = LIVE,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bs-t-", dir="/tmp"))
        endpoint = endpoint or f"tcp://127.0.0.1:{free_port()}"
        self.plan = RobotPlan("rover", endpoint, timing=timing)
        self.live = LivePlan(
            expect=streams,
            scene_hop_s=0.2,
            scene_delay_s=0.05,
            max_age_s=2.0,
            questions=tuple(questions or ()),
        )
        self.speaker = Handle(ToyEncoder(None))
        self.heard: list[Message] = []
        self.handles: dict[str, Handle] = {}
        self._handles = [self.speaker]
        self._ingests: list[Ingest] = []
        self._quiet = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> Robot:
        for name in ("BINDSTREAM_RUNTIME_DIR", "BINDSTREAM_STATE_DIR"):
            self._environment[name] = os.environ.get(name)
            os.environ[name] = str(self.folder)
        Probe.tell.clear()
        self.publish = self.published()
        self._listener.start()
        until(self._has_reader, "a reader that has joined")
        return self

    def _has_reader(self) -> list[Any]:
        """Whether what is said now is heard: before, a window would pass for lost."""
        self.publish._news.append(("reader_joined", ""))
        self.publish._loop._watched_s = 0.0  # say it at once
        return self.of(Event, name="reader_joined")

    def hear_out(self) -> None:
        """Until readers were told all that the publisher could say by now."""
        for name in ("heard_out", "heard_out_twice"):  # of the first, what else was due comes after
            self.publish._news.append((name, ""))
            self.wait(Event, name=name)

    def start(
        self, stream: str = "depth", encoder: ToyEncoder | None = None, **changes: Any
    ) -> Ingest:
        self.handles[stream] = handle = Handle(encoder or ToyEncoder(None))
        self._handles.append(handle)
        ingest = Ingest(stream_plan(stream, **changes), handle)
        self._ingests.append(ingest)
        return ingest

    def restart_publisher(self) -> None:
        self.publish.close()
        self.publish = self.published()

    def published(self) -> Publish:
        publish = Publish(self.plan, self.speaker, lambda live: live)
        publish.reconfigure(self.live)  # as Serve does
        return publish

    def of(self, kind: Any, **fields: Any) -> list[Any]:
        return [
            m
            for m in list(self.heard)
            if isinstance(m, kind) and all(getattr(m, k) == v for k, v in fields.items())
        ]

    def wait(
        self, kind: type[Any], n: int = 1, timeout_s: float = PATIENCE_S, **fields: Any
    ) -> list[Any]:
        def told() -> str:
            return f"{n} {kind.__name__} {fields}, only {len(self.of(kind, **fields))}"

        until(lambda: len(self.of(kind, **fields)) >= n, told, timeout_s)
        return self.of(kind, **fields)

    def outcomes(self, stream: str = "depth") -> list[Any]:
        return _outcomes(list(self.heard), stream)

    def account(self, stream: str = "depth") -> dict[str, Any]:
        """The newest ledger that readers were told of."""
        ledger: dict[str, Any] = self.of(Health, stream=stream)[-1].detail["ledger"]
        return ledger

    def books(self, stream: str = "depth") -> tuple[dict[str, Any], list[Any]]:
        """The newest ledger that readers were told of, and the outcomes that they were told before
        it: those that it has closed."""
        told = list(self.heard)
        ledgers = [at for at, m in enumerate(told) if isinstance(m, Health) and m.stream == stream]
        assert ledgers, f"no health of '{stream}' in {len(told)} messages"
        ledger: dict[str, Any] = told[ledgers[-1]].detail["ledger"]
        return ledger, _outcomes(told[: ledgers[-1]], stream)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [e.detail for e in self.of(Event, name=name)]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        closing = [threading.Thread(target=i.close) for i in self._ingests]
        for thread in closing:  # as Serve does: all at once
            thread.start()
        self.publish.close()
        for thread in closing:
            thread.join()
        with contextlib.suppress(AssertionError):  # of a publisher that was killed nothing comes
            until(self._has_heard_the_end, seconds=10.0)
        self._quiet.set()
        self._listener.join()
        for handle in self._handles:
            handle.close()
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(self.folder)

    def _has_heard_the_end(self) -> bool:
        """Of every stream that a publisher has told of."""
        streams = {h.stream for h in self.of(Health)} & self.handles.keys()
        return all(self.of(Health, stream=s)[-1].state == "stopped" for s in streams)

    def _listen(self) -> None:
        with Subscriber(self.plan.endpoint, topics="", tombstones=True) as stream:
            over = False
            while (message := stream.receive(0.1)) is not None or not over:
                over = self._quiet.is_set()  # what was sent before that may still be on its way
                if message is not None:
                    self.heard.append(message)


def _outcomes(told: list[Message], stream: str) -> list[Any]:
    return [m for m in told if isinstance(m, Embedding | Tombstone) and m.stream == stream]
