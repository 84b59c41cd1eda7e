"""The fenced blocks of the documentation, and how each is put to the test. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_EXCUSE = re.compile(r"<!-- not run: (?P<reason>.+?) -->\n\Z")
_LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. ``excuse``: why it cannot be executed, '' where it has to be."""

    page: str
    line: int
    language: str
    text: str
    excuse: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """The pages that a reader is sent to."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        excuse = _EXCUSE.search(text[: match.start()])
        found.append(
            Block(
                page=str(page.relative_to(ROOT)),
                line=text.count("\n", 0, match.start()) + 1,
                language=match["language"],
                text=match["text"],
                excuse=excuse["reason"] if excuse else "",
            )
        )
    return found


def all_blocks() -> list[Block]:
    """All blocks of all pages."""
    return [block for page in pages() for block in blocks_of(page)]


def to_run(language: str) -> list[Block]:
    """The blocks of a language that are not excused."""
    return [b for b in all_blocks() if b.language == language and not b.excuse]


def commands(block: Block) -> list[str]:
    """The command lines of a shell block, without comments; continued lines joined."""
    joined = block.text.replace("\\\n", " ")
    lines = (line.partition("  #")[0].strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def links_of(page: Path) -> list[str]:
    """The relative links of a page, without anchors."""
    text = _FENCE.sub("", page.read_text())
    targets = [match["target"] for match in _LINK.finditer(text)]
    return [t for t in targets if not t.startswith(("http://", "https://", "mailto:"))]
