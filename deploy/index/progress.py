"""What an indexing shows: a bar, or lines, or one JSON object per stream."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from deploy.index.usage import Usage
from deploy.live.json_lines import JsonLines


class Shown:
    """Standard error's bar, or where that is no terminal a line per stream; ``as_json``: objects on
    standard output instead. While it is open nobody else writes to either: Ray's own library does,
    of matters that are none."""

    def __init__(self, streams: int, as_json: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        sys.stdout.flush()
        self._as_json = as_json
        self._out, self._err = _own(1), _own(2)
        self._lines = JsonLines(self._out)
        self._silenced: list[tuple[int, int]] = []
        console = Console(file=self._err)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[windows]} windows"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=max(streams, 1), windows=0)

    def __enter__(self) -> Shown:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in (1, 2):
            self._silenced.append((fd, os.dup(fd)))
            os.dup2(nowhere, fd)
        os.close(nowhere)
        self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._bar.stop()
        for fd, kept in self._silenced:
            os.dup2(kept, fd)
            os.close(kept)
        self._silenced.clear()
        self._out.flush()

    def step(self, what: str) -> None:
        """What is being done."""
        self._bar.update(self._task, description=what)
        if self._bar.disable and not self._as_json:
            self._say(f"{what} ...")

    def reached(self, streams: float, windows: int) -> None:
        """How far all is, counted in streams."""
        self._bar.update(self._task, completed=streams, windows=windows)

    def done(self, told: dict[str, Any]) -> None:
        """A stream is."""
        if self._as_json:
            self._lines.write(told)
            return
        lost = sum(told["dropped"].values())
        dropped = f", {lost} without a vector" if lost else ""
        unused = "".join(f", {count} {name}" for name, count in told["unused"].items())
        self._say(f"{told['file']}: {told['stream']}: {told['windows']} vectors{dropped}{unused}")

    def fault(self, line: str) -> None:
        """Something that could not be done."""
        self._say(f"bindstream index: {line}")

    def summary(self, usage: Usage, seconds: float, told: dict[str, Any]) -> None:
        """The end of it."""
        share = usage.encoding
        if self._as_json:
            work: dict[str, Any] = {"encoded": usage.windows, "seconds": round(seconds, 3)}
            work |= {"workers": usage.workers, "encoding": share and round(share, 4)}
            self._lines.write(told | work)
            return
        busy = f"; its workers encoded {100 * share:.0f} % of their time" if share else ""
        self._say(f"{usage.windows} windows encoded in {seconds:.1f} s{busy}")

    def _say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _own(fd: int) -> IO[str]:
    """The same place, that stays ours."""
    return os.fdopen(os.dup(fd), "w", encoding="utf-8", errors="backslashreplace")
