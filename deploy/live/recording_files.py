"""The files of one recording: one, or one after another by size and age, of which the newest are
kept."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bindstream.errors import ConfigError
from bindstream.types import Modality, Sample
from bindstream.wire import Message
from sensors.recording.writer import RecordingWriter
from sensors.ros2.packing import Codec


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a new file is begun: once one has so many bytes, or is so old. None: never. ``keep``:
    how many files stay, the newest; None: all."""

    most_bytes: int | None = None
    most_s: float | None = None
    keep: int | None = None

    def is_due(self, size: int, age_s: float) -> bool:
        """Whether a file of that size and age is full."""
        by_size = self.most_bytes is not None and size >= self.most_bytes
        return by_size or (self.most_s is not None and age_s >= self.most_s)


class RecordingFiles:
    """Used by one thread. ``path``: of the first file; those after it are numbered. Each can be
    read without the others.

    Raises ConfigError where the first cannot be made; OSError once the disk takes no more.
    """

    def __init__(
        self,
        path: Path,
        codec: Codec,
        rotation: Rotation,
        about: dict[str, str],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self.written = path, list[Path]()
        self.counts: Counter[str] = Counter()
        self._codec, self._rotation, self._about, self._now_s = codec, rotation, about, now_s
        self._first, self._number = path, 1
        self._closed_bytes = 0
        try:
            self._file = self._next(path)
        except FileExistsError as error:
            raise ConfigError(f"{path} is there already: name another with --out") from error
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Bytes in all files so far."""
        return self._closed_bytes + self._file.size

    def add(self, robot: str, sample: Sample, modality: Modality, rate_hz: float) -> None:
        """See ``RecordingWriter``."""
        self._file.add(robot, sample, modality, rate_hz)
        self.counts[sample.stream] += 1

    def say(self, message: Message) -> None:
        """See ``RecordingWriter``."""
        self._file.say(message)

    def flush(self, losses: dict[str, int]) -> None:
        """All that was added is on the disk; and a new file is begun where one is due."""
        self._file.lost(losses)
        self._file.flush()
        if self._rotation.is_due(self._file.size, self._now_s() - self._begun_s):
            self.close(losses)
            self._closed_bytes += self._file.size
            self._file = self._next(self._numbered())
            self._forget()

    def close(self, losses: dict[str, int]) -> None:
        """Write the index. Raises OSError."""
        self._file.lost(losses)
        self._file.close()

    def abandon(self) -> None:
        """The disk takes no more: leave what was flushed."""
        self._file.abandon()

    def _next(self, path: Path) -> RecordingWriter:
        file = RecordingWriter(path, self._codec, self._about)
        self.path = path
        self.written.append(path)
        self._begun_s = self._now_s()
        return file

    def _numbered(self) -> Path:
        while True:
            self._number += 1
            path = self._first.with_name(f"{self._first.stem}_{self._number}{self._first.suffix}")
            if not path.exists():
                return path

    def _forget(self) -> None:
        keep = self._rotation.keep
        while keep is not None and len(self.written) > keep:
            self.written.pop(0).unlink(missing_ok=True)
