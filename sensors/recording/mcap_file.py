"""An MCAP file, read from its beginning to where it ends: with or without an index.

Format: https://mcap.dev/spec. A recording whose writer was killed has no footer, and may end in the
middle of a record; the library's readers give up on it. Here what is whole is read, out of the last
chunk too, and damage in the middle costs the chunk that it hit.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from bindstream.errors import ConfigError, MissingExtra
from sensors.recording.topic import Recorded, Topic, Wanted
from sensors.ros2.definitions import EXTRA

MAGIC = b"\x89MCAP0\r\n"
SCHEMA, CHANNEL, MESSAGE, CHUNK, METADATA, DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0C, 0x0F
_READ = (SCHEMA, CHANNEL, MESSAGE, CHUNK, METADATA)
_RECORD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_CHUNK = struct.Struct("<QQQII")
_LENGTH = struct.Struct("<Q")


class McapFile:
    """See ``topic.File``. ``notes``: its metadata records by name, the last of each, as far as the
    file was read. Raises ConfigError for what is no MCAP, MissingExtra without the library."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        self.notes: dict[str, dict[str, str]] = {}
        try:
            import mcap.records as records
        except ModuleNotFoundError as error:
            raise MissingExtra("mcap", EXTRA, str(path)) from error
        self._records: Any = records
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ConfigError(f"{path}: is no MCAP: it does not begin as one")
        self.starts_ns = self._first_ns()
        self._index = self._indexed()
        self.has_index = self._index is not None

    def topics(self) -> list[Topic]:
        """Out of the index where there is one, else by reading all of it."""
        return self._scanned() if self._index is None else self._index

    def messages(self, wanted: Wanted) -> Iterator[Recorded | None]:
        """See ``topic.File``."""
        topics = _Topics(self._records)
        for code, content, whole in self._top_level():
            if code == CHUNK:
                yield None
                for inner, record in self._unchunked(content, whole):
                    yield from self._taken(topics, inner, record, wanted)
            elif whole:
                yield from self._taken(topics, code, content, wanted)

    def _taken(
        self, topics: _Topics, code: int, record: memoryview, wanted: Wanted
    ) -> Iterator[Recorded]:
        try:
            if code == MESSAGE:
                channel, _, log_ns, _ = _MESSAGE.unpack_from(record)
                topic = topics[channel]
                if wanted(topic):
                    yield Recorded(topic, log_ns, record[_MESSAGE.size :])
            elif code == METADATA:
                self._note(record)
            else:
                topics.learn(code, record)
        except Exception:  # a record that does not hold what its kind has
            self.damaged += 1

    def _note(self, record: memoryview) -> None:
        found = self._records.Metadata.read(_stream(record))
        self.notes[found.name] = found.metadata

    def _top_level(self) -> Iterator[tuple[int, memoryview, bool]]:
        """Code and content of each record outside of chunks; the last may not be whole."""
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(len(MAGIC))
            while (head := _head(file)) is not None:
                code, length = head
                if code in (0, DATA_END):  # zeros are what a power cut leaves
                    return
                left = size - file.tell()
                if code in _READ:
                    yield code, memoryview(file.read(min(length, left))), length <= left
                elif length <= left:
                    file.seek(length, os.SEEK_CUR)
                if length > left:
                    return

    def _unchunked(self, content: memoryview, whole: bool) -> Iterator[tuple[int, memoryview]]:
        try:
            records = _decompressed(content, whole)
        except Exception:  # of whichever compressor
            self.damaged += 1
            return
        at = 0
        while at + _RECORD.size <= len(records):
            code, length = _RECORD.unpack_from(records, at)
            at += _RECORD.size
            if at + length > len(records):
                self.damaged += whole
                return
            yield code, records[at : at + length]
            at += length

    def _first_ns(self) -> int:
        """Of the first chunk, or message, that has a time."""
        for code, content, _ in self._top_level():
            found = 0
            if code == CHUNK and len(content) >= _CHUNK.size:
                found = int(_CHUNK.unpack_from(content)[0])
            elif code == MESSAGE and len(content) >= _MESSAGE.size:
                found = int(_MESSAGE.unpack_from(content)[2])
            if found:
                return found
        return 0

    def _indexed(self) -> list[Topic] | None:
        """None where there is no index, or none that agrees with itself."""
        from mcap.reader import SeekingReader

        with self.path.open("rb") as file, contextlib.suppress(Exception):
            summary = SeekingReader(file).get_summary()
            if summary is None or summary.statistics is None:
                return None
            told = summary.statistics
            return [
                Topic(
                    channel.topic,
                    summary.schemas[channel.schema_id].name if channel.schema_id else "",
                    channel.metadata,
                    told.channel_message_counts.get(number, 0),
                    told.message_start_time,
                    told.message_end_time,
                )
                for number, channel in summary.channels.items()
            ]
        return None

    def _scanned(self) -> list[Topic]:
        found: dict[tuple[str, str], Topic] = {}
        times: dict[tuple[str, str], list[int]] = {}  # count, first, last
        for topic, log_ns, _ in filter(None, self.messages(lambda _: True)):
            key = topic.name, topic.kind
            found.setdefault(key, topic)
            told = times.setdefault(key, [0, log_ns, log_ns])
            told[:] = told[0] + 1, min(told[1], log_ns), max(told[2], log_ns)
        return [Topic(*key, topic.notes, *times[key]) for key, topic in found.items()]


class _Topics:
    """A file's channels by number, as they are met."""

    def __init__(self, records: Any) -> None:
        self._records = records
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, Topic] = {}

    def __getitem__(self, channel: int) -> Topic:
        return self._channels[channel]

    def learn(self, code: int, record: memoryview) -> None:
        """A schema or a channel; anything else is passed over."""
        if code == SCHEMA:
            schema = self._records.Schema.read(_stream(record))
            self._schemas[schema.id] = schema.name
        elif code == CHANNEL:
            told = self._records.Channel.read(_stream(record))
            kind = self._schemas.get(told.schema_id, "")
            self._channels[told.id] = Topic(told.topic, kind, told.metadata)


def _stream(record: memoryview) -> Any:
    from mcap.data_stream import ReadDataStream

    return ReadDataStream(BytesIO(record))


def _head(file: IO[bytes]) -> tuple[int, int] | None:
    raw = file.read(_RECORD.size)
    return _RECORD.unpack(raw) if len(raw) == _RECORD.size else None


def _decompressed(content: memoryview, whole: bool) -> memoryview:
    """The records of a chunk. Raises where they are not what was written; of one that was cut, as
    many as there are."""
    _, _, _, crc, named = _CHUNK.unpack_from(content)
    at = _CHUNK.size + named
    compression = bytes(content[_CHUNK.size : at]).decode()
    records = content[at + _LENGTH.size :]
    if compression == "zstd":
        import zstandard

        records = memoryview(zstandard.ZstdDecompressor().decompressobj().decompress(records))
    elif compression == "lz4":
        import lz4.frame

        records = memoryview(lz4.frame.LZ4FrameDecompressor().decompress(records))
    elif compression:
        raise ValueError(f"chunks are compressed by {compression}")
    if whole and crc and zlib.crc32(records) != crc:
        raise ValueError("a chunk is damaged")
    return records
