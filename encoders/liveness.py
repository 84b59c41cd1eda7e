"""Whether the encode thread still does its work, judged by what it took until now.

A hung kernel, a thread that ended, a GPU whose context is poisoned: the process lives, answers
Serve, and never gives a vector again. Here is what its health check asks.
"""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bindstream.errors import InvalidInput

FAILURES = 3  # in a row, not the input's fault: then the encoder is asked to check itself
TIMES = 20  # what it usually takes: then it hangs
LEAST_S = 10.0  # ... but not before: machines are overloaded for seconds
FIRST_S = 60.0  # of a kind that never ended yet: a first product may compile, or load
_KEPT = 31
_log = logging.getLogger("ray.serve")


@dataclass(frozen=True, slots=True)
class _Job:
    kind: str
    rows: int
    start_s: float
    first_s: float


class Liveness:
    """Told of every job by the thread that does it, asked from any other.

    ``check`` is the encoder's own, run in the encode thread after FAILURES failures in a row: it
    raises where the device no longer computes. None: so many failures speak for themselves.
    """

    def __init__(
        self,
        check: Callable[[], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check, self._clock = check, clock
        self._lock = threading.Lock()
        self._job: _Job | None = None
        self._ended_s = clock()
        self._took_s: dict[str, deque[float]] = {}  # per row
        self._failures = 0
        self._broken: str | None = None

    @contextmanager
    def job(self, kind: str, rows: int, first_s: float = FIRST_S) -> Iterator[None]:
        """Around one encoding of ``rows`` windows of a modality, or texts; ``first_s``: what one
        of a kind that never ended yet may take."""
        start_s = self._begin(kind, rows, first_s)
        try:
            yield
        except InvalidInput:  # says nothing of the device
            raise
        except BaseException as error:
            self._failed(error)
            raise
        else:
            self._went_well(kind, (self._clock() - start_s) / max(1, rows))
        finally:
            with self._lock:
                self._job, self._ended_s = None, self._clock()

    def fault(self, waiting_since_s: float | None = None) -> str | None:
        """Why this encoder should be replaced, in one line; None while all is well.

        ``waiting_since_s``: on the clock, since when the oldest window waits (None: none does).
        """
        with self._lock:
            if self._broken:
                return self._broken
            now_s, job = self._clock(), self._job
            if job is not None:
                return self._hung(job, now_s - job.start_s)
            idle_s = now_s - max(waiting_since_s or now_s, self._ended_s)
        if idle_s > LEAST_S:
            return f"the encode thread is dead: windows wait, and none was taken for {idle_s:.0f} s"
        return None

    def limit_s(self, kind: str, rows: int, first_s: float = FIRST_S) -> float:
        """How long so many rows may take: TIMES the median so far, LEAST_S at least."""
        took_s = self._took_s.get(kind)
        if not took_s:
            return first_s
        return max(LEAST_S, TIMES * rows * statistics.median(took_s))

    def _hung(self, job: _Job, so_far_s: float) -> str | None:
        limit_s = self.limit_s(job.kind, job.rows, job.first_s)
        if so_far_s <= limit_s:
            return None
        return (
            f"the encode thread hangs: {job.rows} of {job.kind} for {so_far_s:.0f} s now;"
            f" {limit_s:.0f} s were enough for any before"
        )

    def _begin(self, kind: str, rows: int, first_s: float = FIRST_S) -> float:
        start_s = self._clock()
        with self._lock:
            self._job = _Job(kind, rows, start_s, first_s)
        return start_s

    def _went_well(self, kind: str, each_s: float) -> None:
        with self._lock:
            self._took_s.setdefault(kind, deque(maxlen=_KEPT)).append(each_s)
            self._failures, self._broken = 0, None

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        if self._failures % FAILURES:
            return
        said = f"{self._failures} encodings in a row failed ({_said(error)})"
        if self._check is None:
            self._broken = said
            return
        self._begin("its own check", 1)  # which may hang as well
        try:
            self._check()
        except Exception as why:  # whatever a broken device raises
            self._broken = f"{said}, and so did its own check ({_said(why)})"
        else:
            self._broken = None
            _log.error("%s, but its own check passes: it is what these windows hold", said)


def _said(error: BaseException) -> str:
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
