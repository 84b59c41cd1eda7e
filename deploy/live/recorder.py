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

from bindstream.subscriber import Subscriber
from bindstream.types import Gap
from bindstream.wire import Message
from deploy.live.backlog import Backlog
from deploy.live.recording_files import RecordingFiles
from deploy.live.recording_writer import POLL_S, RecordingWriter, Taken
from pipeline.herald import announce
from pipeline.lane import Lanes, lane_address

TOPICS = ("embedding/", "scene/", "event/", "health/")
DRAIN_S = 2.0
MUTE_S = 5.0
SAID_BYTES = 8192


class Recorder:
    """One recording of one robot. ``only``: the streams that are wanted; empty for all.

    ``robot`` is the name of the robot, "" until it was heard.
    """

    def __init__(self, endpoint: str, files: RecordingFiles, only: Collection[str] = ()) -> None:
        self.files = files
        self.robot = self._fault = ""
        self._endpoint, self._only = endpoint, only
        self._backlog: Backlog[Taken] = Backlog()
        self._streams: dict[str, float] = {}  # and since when they are known
        self._said_lost: Counter[str] = Counter()
        self._lanes = Lanes()
        self._robot_ns = 0
        self._stop = threading.Event()
        self._writer = RecordingWriter(self._backlog, files, self.losses)
        self._thread = threading.Thread(target=self._take_samples, name="lanes", daemon=True)

    @property
    def failure(self) -> str:
        """Why it ended before it was told to; "" where it did not."""
        return self._fault or self._writer.failure

    def run(self, over: Callable[[], bool]) -> None:
        """Record until ``over`` says so, or nothing more can be written."""
        self._thread.start()
        self._writer.start()
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
        lost = Counter(dict(self._lanes.lost)) + self._writer.unwritten
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
        self._thread.join(DRAIN_S + 1)
        self._writer.close()
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
            self._fault = str(error) or type(error).__name__

    def _take_all(self) -> None:
        watched: set[str] = set()
        until_s = float("inf")
        while time.monotonic() < until_s:
            for stream in [s for s in list(self._streams) if s not in watched]:
                watched.add(stream)
                self._lanes.watch(self.robot, stream)
            found = self._lanes.receive(0.0 if self._stop.is_set() else POLL_S)
            for one in found:
                self._backlog.put((self.robot, *one), one[0].data.nbytes)
            if self._stop.is_set():
                until_s = min(until_s, time.monotonic() + DRAIN_S)
                if not found:
                    return
