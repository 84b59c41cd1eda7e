"""The live table of ``bindstream run``: a pure function from what is known to what is shown."""

from __future__ import annotations

import time

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bindstream.types import Event, Scene
from deploy.state import STAGES, Step, StreamRow, TableState

_STATE_STYLES = {
    "opening": "yellow",
    "running": "green",
    "paused": "blue",
    "failed": "bold red",
    "stopped": "dim",
}
_STEP_MARKS = {
    "waiting": ("·", "dim"),
    "running": ("…", "yellow"),
    "done": ("✓", "green"),
    "failed": ("✗", "bold red"),
}
RATE_SLACK = 0.85
"""A sensor that gives less than this share of the rate it should is shown in red."""


def render(state: TableState, *, hint: str = "") -> RenderableType:
    """What is known of the robot -> what the terminal shows; ``hint`` is the last line."""
    parts: list[RenderableType] = []
    if any(step.state != "done" for step in state.steps) or not state.rows:
        parts += [_step_line(step) for step in state.steps]
    if state.rows:
        parts += [_stream_table(state), _time_table(state), _scene_line(state.scene)]
        parts += [_truth_line(state.truth, state.scene)] if state.truth and state.scene else []
        parts += [_why_line(row) for row in state.rows.values() if row.why]
        parts += [_event_line(event) for event in state.events]
    if hint:
        parts.append(Text(hint, style="dim"))
    return Padding(Group(*parts), (0, 0, 0, 1))


def _step_line(step: Step) -> Text:
    mark, style = _STEP_MARKS[step.state]
    took = "" if step.seconds is None else f"  {step.seconds:.1f} s"
    return Text.assemble((f"{mark} {step.name}", style), (took, "dim"))


def _stream_table(state: TableState) -> Table:
    title = f"robot {state.robot}   (age: median/p99 of what is published)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("stream", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for heading in ("sensor Hz", "out Hz", "age ms", "published", "open"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("dropped", min_width=12)
    for row in state.rows.values():
        table.add_row(*_stream_cells(row))
    return table


def _stream_cells(row: StreamRow) -> list[RenderableType]:
    return [
        Text(row.stream),
        Text(row.state, style=_STATE_STYLES.get(row.state, "")),
        _sensor_rate(row),
        _figure(row.published_hz, 1),
        _age(row),
        Text(str(row.published)),
        Text(str(row.open)),
        _drops(row),
    ]


def _sensor_rate(row: StreamRow) -> Text:
    if row.rate_hz is None:
        return Text("-", style="dim")
    wanted = row.wanted_rate_hz or 0.0
    low = row.state == "running" and row.rate_hz < wanted * RATE_SLACK
    return Text(f"{row.rate_hz:.0f}", style="red" if low else "")


def _age(row: StreamRow) -> Text:
    """Median and 99th percentile."""
    return _figure(row.age_p50_ms) + Text("/", style="dim") + _figure(row.age_p99_ms)


def _figure(value: float | None, digits: int = 0) -> Text:
    return Text("-", style="dim") if value is None else Text(f"{value:.{digits}f}")


def _drops(row: StreamRow) -> Text:
    told = [f"{reason} {count}" for reason, count in sorted(row.dropped.items())]
    return Text(", ".join(told) or "-", style="red" if told else "dim")


def _time_table(state: TableState) -> Table:
    """Where a window's time goes, the median of each stage, and what is nearest to it."""
    title = "where the time goes (median ms), and the nearest words"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("stream", no_wrap=True)
    for stage in STAGES:
        table.add_column(stage, justify="right", no_wrap=True)
    table.add_column("words", style="cyan")
    for row in state.rows.values():
        times = [_figure(row.stages_ms.get(stage), 1) for stage in STAGES]
        words = Text(", ".join(state.words_of(row.stream).values()))
        table.add_row(Text(row.stream), *times, words)
    return table


def _scene_line(scene: Scene | None) -> Text:
    if scene is None:
        return Text("scene: none yet", style="dim")
    present = sum(member.seq >= 0 for member in scene.members)
    words = ", ".join(f"{question}: {word}" for question, word in scene.words.items())
    share = f"#{scene.seq}, {present} of {len(scene.members)} streams"
    return Text.assemble(("scene ", "bold"), share, ("  " + words, "cyan"))


def _truth_line(truth: dict[str, frozenset[str]], scene: Scene) -> Text:
    """What the simulated world knows: green where the scene says so, red where it says otherwise,
    dim where it says nothing."""
    line = Text.assemble(("truth ", "bold"))
    for question, right in truth.items():
        said = scene.words.get(question)
        style = "dim" if said is None else "green" if said in right else "red"
        line.append(f" {question}: {' or '.join(sorted(right))} ", style)
    return line


def _why_line(row: StreamRow) -> Text:
    return Text.assemble((f"{row.stream}: ", "bold"), (row.why, _STATE_STYLES.get(row.state, "")))


def _event_line(event: Event) -> Text:
    clock = time.strftime("%H:%M:%S", time.localtime(event.t_ns // 10**9))
    detail = "".join(f"  {key}={value}" for key, value in event.detail.items())
    return Text.assemble((f"{clock}  ", "dim"), (event.name, "magenta"), detail)
