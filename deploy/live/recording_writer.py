"""The thread of a recorder that packs and writes what its backlog holds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from bindstream.types import Modality, Sample
from bindstream.wire import Message
from deploy.live.backlog import Backlog
from deploy.live.recording_files import RecordingFiles

FLUSH_S = 0.5
"""With what a chunk takes to be written, a killed recorder loses less than a second."""
POLL_S = 0.1

Taken: TypeAlias = tuple[str, Sample, Modality, float] | Message
"""A sample with its robot's name and its sensor's rate (Hz), or what the robot said."""


class RecordingWriter:
    """Writes until it is closed, or cannot. ``losses`` is asked at each flush for what was lost.

    ``failure`` says why it ended before it was told to, "" where it did not; ``unwritten`` counts
    the samples of each stream that no codec takes.
    """

    def __init__(
        self, backlog: Backlog[Taken], files: RecordingFiles, losses: Callable[[], dict[str, int]]
    ) -> None:
        self.failure = ""
        self.unwritten: Counter[str] = Counter()
        self._backlog, self._files, self._losses = backlog, files, losses
        self._flushed_s = time.monotonic()
        self._full = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Nothing follows: write what waits, and end the file."""
        self._full.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._full.is_set():
                self._write(self._backlog.take(POLL_S))
                self._flush()
            self._write(self._backlog.take(0.0))
            self._files.close(self._losses())
        except OSError as error:
            self._fail(error.strerror or str(error))
        except Exception as error:  # told, not lost with its thread
            self._fail(f"{type(error).__name__}: {error}")
        self._backlog.close()

    def _fail(self, why: str) -> None:
        self.failure = f"{self._files.path}: {why}"
        self._files.abandon()

    def _flush(self) -> None:
        if time.monotonic() - self._flushed_s >= FLUSH_S:
            self._flushed_s = time.monotonic()
            self._files.flush(self._losses())

    def _write(self, taken: list[Taken]) -> None:
        for one in taken:
            self._flush()
            if not isinstance(one, tuple):
                self._files.say(one)
                continue
            robot, sample, modality, rate_hz = one
            try:
                self._files.add(robot, sample, modality, rate_hz)
            except ValueError:  # a picture that no codec takes
                self.unwritten[sample.stream] += 1
