"""Records a running robot: samples by its streams' lanes, what it says as any reader.

Three threads: the caller's reads what the robot says, ``lanes`` takes the samples, ``writer`` packs
and writes. Between them is one bounded backlog: when it is full the first two wait, and what the
robot's sockets then drop is counted.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import TypeAlias

from bindstream.subscriber import Subscriber
from bindstream.types import Gap, Modality, Sample
from bindstream.wire import Message
from deploy.live.backlog import Backlog
from deploy.live.recording_files import RecordingFiles
from pipeline.herald import announce
from pipeline.lane import Lanes, lane_address

TOPICS = ("embedding/", "scene/", "event/", "health/")
FLUSH_S = 0.5
"""With what a chunk takes to be written, a killed recorder loses less than a second."""
POLL_S = 0.1
DRAIN_S = 2.0
MUTE_S = 5.0
SAID_BYTES = 8192

Taken: TypeAlias = tuple[Sample, Modality, float] | Message


class Recorder:
    """One recording of one robot. ``only``: the streams that are wanted; empty for all.

    ``failure`` says why it ended before it was told to, "" where it did not. ``robot`` is the name
    of the robot, "" until it was heard.
    """

    def __init__(self, endpoint: str, files: RecordingFiles, only: Collection[str] = ()) -> None:
        self.files = files
        self.failure = self.robot = ""
        self._endpoint, self._only = endpoint, only
        self._backlog: Backlog[Taken] = Backlog()
        self._streams: dict[str, float] = {}  # and since when they are known
        self._said_lost: Counter[str] = Counter()
        self._unwritten: Counter[str] = Counter()
        self._lanes = Lanes()
        self._robot_ns = 0
        self._flushed_s = time.monotonic()
        self._stop, self._read = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._take_samples, name="lanes", daemon=True),
            threading.Thread(target=self._write, name="writer", daemon=True),
        ]

    def run(self, over: Callable[[], bool]) -> None:
        """Record until ``over`` says so, or nothing more can be written."""
        for thread in self._threads:
            thread.start()
        begun = False
        with Subscriber(self._endpoint, TOPICS, tombstones=True, on_gap=self._miss) as robot:
            while not (self.failure or over()):
                message = robot.receive(POLL_S)
                if message is not None:
                    self._hear(message)
                    if self._streams and not begun:
                        begun = True
                        self._announce("recording_started", file=str(self.files.path.absolute()))
        self._end()

    def losses(self) -> dict[str, int]:
        """What could not be taken or written so far: samples by stream, and what the robot said
        (``STREAM/said``, ``scene/said``)."""
        lost = Counter(dict(self._lanes.lost)) + self._unwritten
        return dict(sorted((lost + self._said_lost).items()))

    def mute(self) -> list[str]:
        """Streams that are known for a while and gave no sample, and where their lane should be."""
        before_s = time.monotonic() - MUTE_S
        known = [s for s, since_s in list(self._streams.items()) if since_s < before_s]
        silent = [stream for stream in known if not self._lanes.heard(stream)]
        return [f"{stream} ({lane_address(self.robot, stream)})" for stream in silent]

    # the caller's thread ----------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        stream = getattr(message, "stream", "")
        if stream and self._only and stream not in self._only:
            return
        self.robot = message.robot
        told_ns = getattr(message, "t_ns", 0) or getattr(message, "published_ns", 0)
        self._robot_ns = max(self._robot_ns, told_ns)
        if stream and stream not in self._streams:
            self._streams[stream] = time.monotonic()
        self._backlog.put(message, SAID_BYTES)

    def _miss(self, gap: Gap) -> None:
        self._said_lost[f"{gap.stream or 'scene'}/said"] += gap.last - gap.first + 1

    def _announce(self, name: str, **detail: object) -> None:
        stream = next(iter(self._streams), "")
        if stream:
            announce(self.robot, stream, name, self._robot_ns, dict(detail))

    def _end(self) -> None:
        self._stop.set()
        self._threads[0].join(DRAIN_S + 1)
        self._read.set()
        self._threads[1].join()
        self._lanes.close()
        told = {"why": self.failure} if self.failure else {}
        self._announce(
            "recording_failed" if self.failure else "recording_ended",
            file=str(self.files.path.absolute()),
            lost=self.losses(),
            **told,
        )

    # the lanes' thread ------------------------------------------------------------------------

    def _take_samples(self) -> None:
        try:
            self._take_all()
        except Exception as error:  # told, not lost with its thread
            self.failure = str(error) or type(error).__name__

    def _take_all(self) -> None:
        watched: set[str] = set()
        until_s = float("inf")
        while time.monotonic() < until_s:
            for stream in [s for s in list(self._streams) if s not in watched]:
                watched.add(stream)
                self._lanes.watch(self.robot, stream)
            found = self._lanes.receive(0.0 if self._stop.is_set() else POLL_S)
            for one in found:
                self._backlog.put(one, one[0].data.nbytes)
            if self._stop.is_set():
                until_s = min(until_s, time.monotonic() + DRAIN_S)
                if not found:
                    return

    # the writer's thread ----------------------------------------------------------------------

    def _write(self) -> None:
        try:
            while not self._read.is_set():
                self._write_all(self._backlog.take(POLL_S))
                self._flush()
            self._write_all(self._backlog.take(0.0))
            self.files.close(self.losses())
        except OSError as error:
            self.failure = f"{self.files.path}: {error.strerror or error}"
            self.files.abandon()
        except Exception as error:  # told, not lost with its thread
            self.failure = f"{self.files.path}: {type(error).__name__}: {error}"
            self.files.abandon()
        self._backlog.close()

    def _flush(self) -> None:
        if time.monotonic() - self._flushed_s >= FLUSH_S:
            self._flushed_s = time.monotonic()
            self.files.flush(self.losses())

    def _write_all(self, taken: list[Taken]) -> None:
        for one in taken:
            self._flush()
            if not isinstance(one, tuple):
                self.files.say(one)
                continue
            sample, modality, rate_hz = one
            try:
                self.files.add(self.robot, sample, modality, rate_hz)
            except ValueError:  # a picture that no codec takes
                self._unwritten[sample.stream] += 1
