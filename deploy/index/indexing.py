"""One indexing: what is left to do goes through the pool, what comes back is written down.

Two threads, as a run has: one starts Ray and waits for its answers, the main one looks a few times
a second whether to stop. Stopped at any moment, by whatever means, it goes on where it was.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from bindstream.errors import BindstreamError, MissingExtra
from deploy.index.bundle import Answer
from deploy.index.gathering import Gathering
from deploy.index.job import Job, StreamJob
from deploy.index.manifest import Manifest
from deploy.index.parts import Parts
from deploy.index.pool import Cutting, Pool
from deploy.index.progress import Shown
from deploy.index.usage import Usage
from deploy.live.deployment import reason
from deploy.live.stopping import Stopping

LOOK_S, NOTE_S = 0.2, 2.0


class Ray(Protocol):
    """``PrivateRay`` or ``AttachedRay``."""

    def start(self) -> None: ...
    def note(self) -> None: ...
    def fallen(self) -> str: ...
    def end(self) -> None: ...


class Indexing:
    """Of a job into a folder. Raises ConfigError for a folder that cannot take it."""

    def __init__(self, job: Job, folder: Path, workers: int) -> None:
        self._manifest = Manifest(folder)
        self.notes = list(job.notes)
        self._job = replace(job, streams=tuple(s for s in job.streams if not self._is_twin(s)))
        self._parts = Parts(folder)
        for name in self._manifest.admit(self._job):
            self._parts.remove(name)
            self.notes.append(f"{name}: its file has changed: indexed anew")
        self._manifest.save()
        found = self._parts.found()
        self._gathered = [Gathering(found.get(s.name, ())) for s in self._job.streams]
        self._left = [n for n, s in enumerate(self._job.streams) if not self._manifest.is_done(s)]
        self.pools = {name: Pool(args, workers) for name, args in job.encoders.items()}
        self.usage = Usage()
        self.faults = list(job.faults)
        self._over = threading.Event()

    @property
    def is_needed(self) -> bool:
        """Whether anything is left to do."""
        return bool(self._left)

    @property
    def streams(self) -> int:
        """How many there are."""
        return len(self._job.streams)

    def run(self, ray: Ray, show: Shown, stopping: Stopping) -> None:
        """Returns once all is done, has failed (``faults``), or ``stopping`` was asked."""
        done = [s for s in self._job.streams if self._manifest.is_done(s)]
        for stream in done:
            show.done(self._manifest.told(stream))
        if not self._left:
            return
        thread = threading.Thread(target=self._work, args=(ray, show), name="index", daemon=True)
        thread.start()
        noted_s = time.monotonic()
        while not self._over.wait(LOOK_S) and not stopping.asked:
            if fallen := ray.fallen():
                self.faults.append(fallen)
                return
            if time.monotonic() - noted_s > NOTE_S:
                noted_s = time.monotonic()
                ray.note()

    def told(self) -> dict[str, Any]:
        """All of it in numbers."""
        ready = [self._manifest.told(s) for s in self._job.streams if self._manifest.is_done(s)]
        windows = sum(one["windows"] for one in ready)
        return {"streams": len(ready), "windows": windows, "faults": self.faults}

    # the thread that waits for Ray -----------------------------------------------------------

    def _work(self, ray: Ray, show: Shown) -> None:
        try:
            show.step("starting Ray")
            ray.start()
            for name, pool in self.pools.items():
                self._pass(name, pool, show)
            for n in self._left:
                if end := self._gathered[n].end:
                    self._say_fault(n, end.fault)
        except BindstreamError as error:
            self.faults.append(str(error))
        except Exception as error:  # of Ray, or out of a worker: its last line says what
            self.faults.append(reason(str(error)))
        finally:
            self._over.set()

    def _pass(self, name: str, pool: Pool, show: Shown) -> None:
        """All streams that go to one encoder."""
        streams = self._job.streams
        cuttings = [
            Cutting(n, streams[n].plan, streams[n].form, frozenset(self._gathered[n].done))
            for n in self._left
            if streams[n].encoder == name
        ]
        if not cuttings:
            return
        pool.check()
        show.step(f"loading {pool.args.weights or pool.args.kind}")
        first = True
        for answer in pool.answers(cuttings):
            if first:
                show.step("indexing")
                first = False
            self._take(answer)
            show.reached(sum(self._shares()), self.usage.windows)
            stream = streams[answer.stream]
            if self._gathered[answer.stream].is_over and not self._manifest.is_done(stream):
                show.done(self._finish(answer.stream))

    def _take(self, answer: Answer) -> None:
        stream = self._job.streams[answer.stream]
        if answer.embeddings:
            self._manifest.same_weights(stream.encoder, answer.embeddings[0].encoder_id)
        self.usage.take(answer)
        for number, part in self._gathered[answer.stream].take(answer):
            self._parts.put(stream.name, number, part, stream.source.file)
        if answer.why:
            self._say_fault(answer.stream, f"a window has no vector: {answer.why}")

    def _finish(self, n: int) -> dict[str, Any]:
        stream, end = self._job.streams[n], self._gathered[n].end
        digest = self._parts.digest(stream.name)
        told = {
            "file": str(stream.source.file),
            "stream": stream.plan.stream,
            "modality": str(stream.plan.modality),
            "windows": digest.count,
            "dropped": self._parts.reasons(stream.name),
            "unused": end.counters if end else {},
            "digest": digest.hex,
        }
        self._manifest.done(stream, told)
        return told

    def _shares(self) -> Iterator[float]:
        """How much of each stream is done, as far as its times tell."""
        for stream, gathered in zip(self._job.streams, self._gathered, strict=True):
            done = self._manifest.is_done(stream)
            yield 1.0 if done else share(gathered.reached_ns, stream.starts_ns, stream.ends_ns)

    def _say_fault(self, n: int, what: str) -> None:
        stream = self._job.streams[n]
        line = f"{stream.source.file}: {stream.plan.stream}: {what}"
        if what and line not in self.faults:
            self.faults.append(line)

    def _is_twin(self, stream: StreamJob) -> bool:
        twin = self._manifest.twin(stream.source)
        note = f"{stream.source.file}: is the same as {twin}, which is indexed already"
        if twin and note not in self.notes:
            self.notes.append(note)
        return bool(twin)


def share(reached_ns: int, starts_ns: int, ends_ns: int) -> float:
    """The part of a stream that was reached, 0 to 1; 0 while nothing was."""
    if not reached_ns or ends_ns <= starts_ns:
        return 0.0
    return min(1.0, max(0.0, (reached_ns - starts_ns) / (ends_ns - starts_ns)))


def check_library() -> None:
    """Raises MissingExtra without pyarrow or pandas, which Ray Data stands on."""
    for library in ("pyarrow", "pandas"):
        try:
            importlib.import_module(library)
        except ModuleNotFoundError as error:
            raise MissingExtra(library, "index", "'bindstream index'") from error
