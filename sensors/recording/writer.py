"""One file of a recording, as it is written: MCAP with ROS 2's messages.

What was flushed is on the disk and can be read without the rest: a writer that is killed loses what
it took since. A message never spans two chunks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bindstream.types import DepthMeta, Modality, Sample
from bindstream.wire import Message
from sensors.recording.bag import BASELINE, FX, MODALITY, RATE, ROBOT, STREAM
from sensors.ros2 import definitions as ros
from sensors.ros2.names import token
from sensors.ros2.packing import Codec, packings
from sensors.ros2.sayings import said

CHUNK_BYTES = 32 << 20
"""More than any usual message: a chunk is closed by ``flush`` long before."""
PROFILE, LIBRARY = "ros2", "bindstream"
ABOUT, LOSSES = "bindstream.recording", "bindstream.losses"
CAMERA_EVERY_NS = 1_000_000_000
_PARTS = {
    Modality.VISION: "image/compressed",
    Modality.DEPTH: "image",
    Modality.THERMAL: "image",
    Modality.AUDIO: "audio",
    Modality.IMU: "imu",
}


class RecordingWriter:
    """``about``: what else is noted of the recording. Raises FileExistsError, and OSError from then
    on where the disk takes no more: then ``abandon`` leaves what was flushed."""

    def __init__(self, path: Path, codec: Codec, about: dict[str, str]) -> None:
        from mcap.writer import CompressionType, Writer

        self.path, self.codec = path, codec
        self._sink = _Sink(path)
        self._writer: Any = Writer(
            self._sink,  # type: ignore[arg-type]
            chunk_size=CHUNK_BYTES,
            compression=CompressionType.NONE,
        )
        self._writer.start(PROFILE, LIBRARY)
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[Any, ...], int] = {}
        self._counts: dict[int, int] = {}
        self._cameras: dict[str, tuple[DepthMeta, int]] = {}
        self._losses: dict[str, str] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._rates: dict[tuple[str, str], float] = {}
        self._writer.add_metadata(ABOUT, about | {"kept as": str(codec)})

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._sink.size

    def add(self, robot: str, sample: Sample, modality: Modality, rate_hz: float) -> None:
        """One sample of a robot's stream; ``rate_hz``: of sound that of its signal. Of others that
        of the first is noted: a measured one is another every second."""
        if modality is not Modality.AUDIO:
            rate_hz = self._rates.setdefault((robot, sample.stream), rate_hz)
        notes = {ROBOT: robot, STREAM: sample.stream, MODALITY: str(modality), RATE: repr(rate_hz)}
        if isinstance(sample.meta, DepthMeta):
            notes[FX], notes[BASELINE] = repr(sample.meta.fx_px), repr(sample.meta.baseline_m)
        topic = self._place(robot, sample.stream)
        for kind, data in packings(sample, modality, rate_hz, self.codec):
            if kind == ros.CAMERA_INFO:
                if self._is_camera_due(sample):
                    self._put(
                        f"{topic}/camera_info", kind, {}, sample.arrival_ns, sample.t_ns, data
                    )
            else:
                place = f"{topic}/{_PARTS[modality]}"
                self._put(place, kind, notes, sample.arrival_ns, sample.t_ns, data)

    def say(self, message: Message) -> None:
        """What the robot said."""
        found = said(message)
        if found is not None:
            part, kind, t_ns, data = found
            place = self._place(message.robot, getattr(message, "stream", ""))
            self._put(f"{place}/{part}", kind, {}, t_ns, t_ns, data)

    def lost(self, losses: dict[str, int]) -> None:
        """What could not be taken, so far; written once it changed, and read back by its name."""
        told = {name: str(count) for name, count in losses.items()}
        if told != self._losses:
            self._losses = told
            self._writer.add_metadata(LOSSES, told)

    def flush(self) -> None:
        """All that was added is on the disk when it returns."""
        self._writer.flush()

    def close(self) -> None:
        """Write the index and close. Raises OSError."""
        self._writer.finish()
        self._sink.flush()
        self._sink.close()

    def abandon(self) -> None:
        """The disk takes no more: cut what was half written, and close. Never raises."""
        self._sink.cut()
        self._sink.close()

    def _place(self, robot: str, stream: str) -> str:
        """Where the topics of a stream (of a robot, where it is "") stand: each has its own."""
        key = robot, stream
        if key not in self._places:
            place = "/".join(["", token(robot), *([token(stream)] if stream else [])])
            while place in self._places.values():  # names that differ by a dash alone
                place += "_"
            self._places[key] = place
        return self._places[key]

    def _is_camera_due(self, sample: Sample) -> bool:
        assert isinstance(sample.meta, DepthMeta)  # noqa: S101 - else it has no camera
        meta, told_ns = self._cameras.get(sample.stream, (None, 0))
        if meta == sample.meta and 0 <= sample.t_ns - told_ns < CAMERA_EVERY_NS:
            return False
        self._cameras[sample.stream] = sample.meta, sample.t_ns
        return True

    def _put(
        self, topic: str, kind: str, notes: dict[str, str], log_ns: int, t_ns: int, data: bytes
    ) -> None:
        channel = self._channel(topic, kind, notes)
        self._counts[channel] = sequence = self._counts.get(channel, 0) + 1
        self._writer.add_message(channel, log_ns, data, t_ns, sequence)

    def _channel(self, topic: str, kind: str, notes: dict[str, str]) -> int:
        key = topic, kind, tuple(notes.items())
        if key not in self._channels:
            if kind not in self._schemas:
                text = ros.text(kind).encode()
                self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", text)
            told = {"offered_qos_profiles": "", "topic_type_hash": ros.type_hash(kind), **notes}
            schema = self._schemas[kind]
            self._channels[key] = self._writer.register_channel(topic, "cdr", schema, told)
        return self._channels[key]


class _Sink:
    """A file that is written whole or fails: no buffer of ours, and no write that is cut short."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self.size = self._good = 0

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        while left:
            done = os.write(self._fd, left)
            self.size += done
            left = left[done:]
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        os.fdatasync(self._fd)
        self._good = self.size

    def cut(self) -> None:
        try:
            os.ftruncate(self._fd, self._good)
        except OSError:  # then its reader finds where it ends
            return

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
