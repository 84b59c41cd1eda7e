"""What a run shows: the live table, plain lines where there is no terminal, or JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from bindstream.command.records import as_record
from bindstream.command.rows import TableState
from bindstream.types import Health, Scene
from deploy.live.json_lines import JsonLines
from deploy.live.parts import Show
from deploy.live.table import render
from deploy.world_truth import WorldTruth

HINT = "Ctrl-C drains and stops.  In another terminal: bindstream listen"


class Lines:
    """``--json``: one object per line; vectors as ``listen --json`` prints them.

    While it is open standard output is its own: what others print there (Ray does, when a part of
    it dies) goes to standard error, or a script that reads the lines would fall over it.
    """

    def __init__(self) -> None:
        self._out = sys.stdout
        self._lines = JsonLines(self._out)

    def __enter__(self) -> Lines:
        self._out, sys.stdout = sys.stdout, sys.stderr
        self._lines = JsonLines(self._out)
        return self

    def __exit__(self, *details: object) -> None:
        sys.stdout = self._out
        sys.stdout.flush()

    def begin(self, name: str) -> None:
        """A step starts."""

    def finish(self, name: str, seconds: float, failed: bool = False) -> None:
        """A step ended."""
        self._lines.write(
            {"kind": "step", "name": name, "seconds": round(seconds, 3), "failed": failed}
        )

    def first(self, robot: str, stream: str, after_s: float) -> None:
        """A stream's first vector."""
        after = {"after_s": round(after_s, 3)}
        self._lines.write({"kind": "first", "robot": robot, "stream": stream, **after})

    def show(self, message: Any) -> None:
        """One message of the stream."""
        if message is not None:
            self._lines.write(as_record(message))


class Table:
    """The live table, redrawn a few times a second; plain lines where there is no terminal."""

    def __init__(self, robots: Sequence[str], world: WorldTruth | None) -> None:
        """``world`` is what the first of the robots observes, where it is a simulated one."""
        from rich.console import Console
        from rich.live import Live

        self._state = TableState(robot=", ".join(robots), truth_of=robots[0])
        self._world = world
        self._console = Console()
        self._live: AbstractContextManager[Any] = nullcontext()
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._render, console=self._console, refresh_per_second=4
            )
        self._shown_s = 0.0

    def _render(self) -> Any:
        return render(self._state, hint=HINT)

    def __enter__(self) -> Table:
        self._live.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._live.__exit__(*details)
        if not self._console.is_terminal:
            self._console.print(self._render())

    def begin(self, name: str) -> None:
        """A step starts."""
        self._state.begin(name)
        self._say(f"{name} ...")

    def finish(self, name: str, seconds: float, failed: bool = False) -> None:
        """A step ended."""
        self._state.finish(name, seconds, failed=failed)
        self._say(f"{name}: {'failed' if failed else 'done'} after {seconds:.1f} s")

    def first(self, robot: str, stream: str, after_s: float) -> None:
        """A stream's first vector."""
        name = stream if self._state.robot == robot else f"{robot}/{stream}"
        self._state.finish(f"first vector of {name}", after_s)
        self._say(f"first vector of {name} after {after_s:.1f} s")

    def show(self, message: Any) -> None:
        """Take a message in; without a terminal, print the table every ten seconds."""
        if message is not None:
            self._state.absorb(message)
        if self._world and isinstance(message, Scene) and message.robot == self._state.truth_of:
            self._state.truth = self._world.words(message.end_ns)
        due = time.monotonic() - self._shown_s > 10
        if not self._console.is_terminal and due and isinstance(message, Health):
            self._shown_s = time.monotonic()
            self._console.print(self._render())

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line)


@contextmanager
def step(show: Show, name: str) -> Iterator[None]:
    """Show a step of the start or the end, and how long it took."""
    start_s = time.monotonic()
    show.begin(name)
    try:
        yield
    except BaseException:
        show.finish(name, time.monotonic() - start_s, failed=True)
        raise
    show.finish(name, time.monotonic() - start_s)
