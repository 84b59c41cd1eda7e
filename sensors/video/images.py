"""Picture files as frames: numbered ones, those that a glob means, one; a TIFF page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bindstream.errors import DeviceUnavailable, InvalidInput, WrongFormat
from bindstream.types import Array
from sensors.video.ask import Ask
from sensors.video.opencv import cv2
from sensors.video.radiometric import kelvin_of

BLOCK = 16
"""Pages read at once: OpenCV walks to each from the first."""
STACKS = frozenset({".tif", ".tiff"})


class ImageReader:
    """Pictures by a printf pattern (in the order of their numbers), a glob, or one file.

    A TIFF may hold many, as thermal cameras and microscopes record: each page is a frame.
    """

    def __init__(self, asked: Ask) -> None:
        self._asked = asked
        paths = pictures(Path(str(asked.source)))
        if not paths:
            raise DeviceUnavailable(asked.stream, f"no file matches {asked.source}")
        self._frames = self._pages_of(paths)
        self._page: tuple[Pages, int] | None = None
        self._count = 0
        self._began = False
        self.rate_hz = asked.rate_hz or 30.0

    def grab(self) -> float | None:
        """See Reader."""
        self._page = next(self._frames, None)
        if self._page is None:
            return None
        self._count += 1
        return (self._count - 1) / self.rate_hz

    def picture(self) -> Array | None:
        """See Reader. Raises WrongFormat where the first is none."""
        if self._page is None:
            return None
        pages, number = self._page
        pixels = pages.read(number)
        if pixels is None and not self._began:
            raise WrongFormat(self._asked.stream, f"{pages.named(number)} {pages.why}")
        self._began = True
        return pixels

    def close(self) -> None:
        """Nothing is held open."""

    def _pages_of(self, paths: list[Path]) -> Iterator[tuple[Pages, int]]:
        for path in paths:
            pages = Pages(self._asked, path)
            yield from ((pages, number) for number in range(pages.count))


class Pages:
    """The pictures of one file. Of animations OpenCV reads but the first one right (GIF and WebP
    were tried): they are refused, by WrongFormat."""

    def __init__(self, asked: Ask, path: Path) -> None:
        self.path = path
        self.why = "is not a picture that OpenCV can read"
        self._how = cv2.IMREAD_UNCHANGED if asked.raw else cv2.IMREAD_COLOR
        self.count = max(1, cv2.imcount(str(path), self._how))
        self._block: tuple[int, list[Array]] = 0, []
        if self.count > 1 and path.suffix.lower() not in STACKS:
            raise WrongFormat(
                asked.stream,
                f"{path} holds {self.count} pictures: save them as a video or a TIFF, or each to "
                "a file of its own",
            )

    def read(self, number: int) -> Array | None:
        """One of them, from 0; None where it is no picture."""
        pixels: Array | None
        if self._how == cv2.IMREAD_UNCHANGED:
            try:
                if (kelvin := kelvin_of(self.path)) is not None:
                    return kelvin
            except InvalidInput as error:
                self.why = str(error)
                return None
        if self.count == 1:
            pixels = cv2.imread(str(self.path), self._how)
            return pixels
        first, block = self._block
        if not first <= number < first + len(block):
            _, found = cv2.imreadmulti(str(self.path), number, BLOCK, flags=self._how)
            self._block = first, block = number, list(found)
        return block[number - first] if block else None

    def named(self, number: int) -> str:
        """Which picture that is, for people."""
        return str(self.path) if self.count == 1 else f"page {number + 1} of {self.path}"


def pictures(pattern: Path) -> list[Path]:
    """The files that a pattern means, in order."""
    if "*" in pattern.name:
        return sorted(pattern.parent.glob(pattern.name))
    head, conversion, tail = _split(pattern.name)
    if not conversion:
        return [pattern] if pattern.is_file() else []
    named = re.compile(re.escape(head) + r"(\d+)" + re.escape(tail) + r"\Z")
    if not pattern.parent.is_dir():
        return []
    found = [(named.match(path.name), path) for path in pattern.parent.iterdir()]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def _split(name: str) -> tuple[str, str, str]:
    match = re.search(r"%0?\d*d", name)
    return (name[: match.start()], match[0], name[match.end() :]) if match else (name, "", "")
