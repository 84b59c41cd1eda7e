"""A recording of messages: a file of ours, an MCAP of ROS 2, a bag of rosbag2.

Which of a bag's topics are streams is read off their types; which is depth and what its camera is,
off what our own writer noted, or off the topic ``camera_info`` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import count
from pathlib import Path

from bindstream.errors import ConfigError, InvalidInput
from bindstream.types import DepthMeta, Modality, Sample
from sensors.recording.mcap_file import McapFile
from sensors.recording.sqlite_bag import SqliteBag
from sensors.recording.topic import File, Recorded, Topic
from sensors.recording.track import Track, named
from sensors.ros2 import definitions as ros
from sensors.ros2.unpacking import (
    KINDS,
    Reading,
    depth_meta,
    modality_of,
    sound_rate,
    unpacked,
)

STREAM, MODALITY, RATE = "bindstream.stream", "bindstream.modality", "bindstream.rate_hz"
ROBOT = "bindstream.robot"
FX, BASELINE = "bindstream.fx_px", "bindstream.baseline_m"
"""What our writer notes of a channel."""
ENDINGS = (".mcap", ".db3")
_ZSTD = b"\x28\xb5\x2f\xfd"
_PACKED = (".mcap.zstd", ".db3.zstd")
LACKS_CAMERA = "a depth camera's focal length and baseline (fx_px, baseline_m)"


class Bag:
    """See ``track.Recording``. Raises ConfigError for what is none, MissingExtra."""

    def __init__(self, path: Path) -> None:
        ros.check()
        self.path = path
        self._files = [_opened(file) for file in _files(path)]
        self._files = sorted(
            (file for file in self._files if file.starts_ns), key=lambda file: file.starts_ns
        )

    @property
    def starts_ns(self) -> int:
        """See ``track.Recording``; 0 of an empty one."""
        return self._files[0].starts_ns if self._files else 0

    @property
    def damaged(self) -> int:
        """Places in its files that could not be read, so far."""
        return sum(file.damaged for file in self._files)

    def tracks(self) -> list[Track]:
        """See ``track.Recording``; a topic that nobody wrote to is none."""
        names: set[str] = set()
        tracks = []
        for topic in self._topics.values():
            if topic.kind in KINDS and topic.count and (track := self._track(topic)):
                name = _unique(track.stream, names)
                track = replace(track, stream=name, ends_ns=topic.last_ns)
                names.add(track.stream)
                tracks.append(track)
        return tracks

    def track(self, wanted: str) -> Track | None:
        """See ``track.Recording``. Of a file that was cut what our writer noted is enough: to read
        all of it for each stream would take minutes."""
        if all(file.has_index for file in self._files) or not (found := self._noted(wanted)):
            return named(self.tracks(), wanted)
        return found

    def samples(
        self, track: Track, reading: Reading, refused: Callable[[Exception], None]
    ) -> Iterator[Sample | None]:
        """See ``track.Recording``."""
        for message in self._messages(track.source):
            if message is None:
                yield None
                continue
            try:
                kind, noted = message.topic.kind, _noted_meta(message.topic)
                told = replace(reading, meta=noted) if noted and not reading.meta else reading
                yield unpacked(told, kind, _plain(message.data), message.log_ns)
            except InvalidInput as error:
                refused(error)

    @cached_property
    def _topics(self) -> dict[str, Topic]:
        found: dict[str, Topic] = {}
        for topic in (topic for file in self._files for topic in file.topics()):
            known = found.get(topic.name)
            found[topic.name] = known.and_also(topic) if known else topic
        return found

    def _messages(self, topic: str) -> Iterator[Recorded | None]:
        for file in self._files:
            yield from file.messages(lambda t: t.name == topic)

    def _noted(self, wanted: str) -> Track | None:
        """Of the first message of a topic that is called so, or whose stream is."""
        found = (
            message.topic
            for file in self._files
            for message in file.messages(lambda t: wanted in (t.name, t.notes.get(STREAM)))
            if message is not None
        )
        topic = next(found, None)
        return None if topic is None else _noted_track(topic)

    def _first(self, topic: str) -> memoryview:
        message = next(filter(None, self._messages(topic)), None)
        return memoryview(b"") if message is None else _plain(message.data)

    def _track(self, topic: Topic) -> Track | None:
        if (ours := _noted_track(topic)) is not None:
            return ours
        found = modality_of(topic.kind, self._first(topic.name))
        if found is None:
            return None
        rate_hz = topic.rate_hz
        if found is Modality.AUDIO:
            rate_hz = float(sound_rate(self._first(topic.name)))
        track = Track(stream_name(topic.name), found, topic.name, rate_hz)
        return self._with_camera(track) if found is Modality.DEPTH else track

    def _with_camera(self, track: Track) -> Track:
        """A depth topic with what its camera says of itself."""
        parent = track.source.rpartition("/")[0]
        for place in (f"{parent}/camera_info", f"{track.source}/camera_info"):
            told = self._topics.get(place)
            if told is not None and told.kind == ros.CAMERA_INFO and told.count:
                fx_px, baseline_m = depth_meta(self._first(place))
                if fx_px > 0 and baseline_m:
                    return replace(track, meta=DepthMeta(fx_px, baseline_m))
        return replace(track, lacks=LACKS_CAMERA)


def is_bag(path: Path) -> bool:
    """Whether a path is a file of messages, or a folder of such."""
    if path.is_dir():
        return (path / "metadata.yaml").exists() or bool(_within(path))
    return path.name.endswith(ENDINGS + _PACKED)


def stream_name(topic: str) -> str:
    """A topic's name as a stream may be called: ``/camera/image_raw`` is ``camera_image_raw``."""
    name = re.sub(r"[^a-z0-9_-]+", "_", topic.lower()).strip("_")[:64]
    return name or "stream"


def _noted_track(topic: Topic) -> Track | None:
    """What our writer noted of a channel; None where another wrote it, or it is damaged."""
    notes, meta = topic.notes, _noted_meta(topic)
    try:
        modality, rate_hz = Modality(notes[MODALITY]), float(notes[RATE])
        robot, stream = notes.get(ROBOT, ""), notes[STREAM]
    except (KeyError, ValueError):
        return None
    return Track(stream, modality, topic.name, rate_hz, meta, robot=robot)


def _noted_meta(topic: Topic) -> DepthMeta | None:
    try:
        return DepthMeta(float(topic.notes[FX]), float(topic.notes[BASELINE]))
    except (KeyError, ValueError):
        return None


def _unique(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name[:60]}_{n}" for n in count(2) if f"{name[:60]}_{n}" not in taken)


def _files(path: Path) -> list[Path]:
    found = _within(path) if path.is_dir() else [path]
    packed = [file for file in found if file.name.endswith(_PACKED)]
    if packed:
        raise ConfigError(
            f"{packed[0]}: was compressed as a whole, as rosbag2's --compression-mode file does: "
            f"unpack it first (zstd -d {packed[0].name})"
        )
    return found


def _within(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(ENDINGS + _PACKED))


def _opened(path: Path) -> File:
    return McapFile(path) if path.suffix == ".mcap" else SqliteBag(path)


def _plain(data: memoryview) -> memoryview:
    """A message that rosbag2 compressed by itself, as it was."""
    if bytes(data[:4]) != _ZSTD:
        return data
    import zstandard

    return memoryview(zstandard.ZstdDecompressor().decompressobj().decompress(data))
