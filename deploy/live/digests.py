"""What a replay said, as one hash per stream: where they are equal, all vectors are."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Iterable
from typing import Any

from bindstream.types import Embedding, Event, Health, Scene, Tombstone

SCENE = "scene"
_TIMES = struct.Struct("<qq")


class Digest:
    """Of one stream, or of the scenes: sha256 over start_ns, end_ns (int64, a scene's tick twice)
    and the vector's bytes (float32), little-endian, in the order of seq."""

    def __init__(self) -> None:
        self.count = 0
        self.fault = ""
        self._next: tuple[int, int] | None = None
        self._hash = hashlib.sha256()

    def take(self, epoch: int, seq: int) -> None:
        """A window's outcome came; what is missing before it makes the digest worthless."""
        known = self._next or (epoch, 0)
        if (epoch, seq) != known and not self.fault:
            self.fault = (
                f"started again (epoch {epoch} after {known[0]})"
                if epoch != known[0]
                else f"messages {known[1]} to {seq - 1} never came: this program was too slow"
            )
        self._next = epoch, seq + 1

    def add(self, start_ns: int, end_ns: int, vector: bytes) -> None:
        """Its vector."""
        self.count += 1
        self._hash.update(_TIMES.pack(start_ns, end_ns))
        self._hash.update(vector)

    @property
    def hex(self) -> str:
        """Of all that was added."""
        return self._hash.hexdigest()


class Digests:
    """``--digest``: takes a replay's messages, and prints one line per stream at its end. ``names``
    are the streams to come; progress and what was dropped go to standard error."""

    def __init__(self, names: Iterable[str]) -> None:
        self._of = {name: Digest() for name in (*sorted(names), SCENE)}
        self._dropped: dict[str, int] = {}
        self._out = sys.stdout

    def __enter__(self) -> Digests:
        self._out, sys.stdout = sys.stdout, sys.stderr
        return self

    def __exit__(self, *details: object) -> None:
        sys.stdout = self._out

    def begin(self, name: str) -> None:
        """A step starts."""

    def finish(self, name: str, seconds: float, failed: bool = False) -> None:
        """A step ended."""
        if failed:
            print(f"bindstream replay: {name} failed after {seconds:.1f} s", file=sys.stderr)

    def first(self, robot: str, stream: str, after_s: float) -> None:
        """A stream's first vector."""

    def show(self, message: Any) -> None:
        """One message of the replay."""
        match message:
            case Embedding():
                digest = self._of.setdefault(message.stream, Digest())
                digest.take(message.epoch, message.seq)
                digest.add(message.start_ns, message.end_ns, message.vector.tobytes())
            case Tombstone():
                self._of.setdefault(message.stream, Digest()).take(message.epoch, message.seq)
                self._dropped[message.stream] = self._dropped.get(message.stream, 0) + 1
            case Scene():
                self._of[SCENE].take(message.epoch, message.seq)
                vector = message.vector.tobytes()
                self._of[SCENE].add(message.end_ns, message.end_ns, vector)
            case Event(name="stream_overdue"):
                self._of[SCENE].fault = f"went on without a stream: {message.detail}"
            case Health():
                pass

    def faults(self) -> list[str]:
        """Why a digest is none; nothing where all stand for all that was said."""
        return [f"{name}: {one.fault}" for name, one in self._of.items() if one.fault]

    def tell(self) -> None:
        """Print what was played, once all of it was."""
        for name, count in sorted(self._dropped.items()):
            print(f"bindstream replay: {name}: {count} windows without a vector", file=sys.stderr)
        for name, one in self._of.items():
            told = {"stream": name, "count": one.count, "digest": one.hex}
            print(json.dumps(told), file=self._out, flush=True)
