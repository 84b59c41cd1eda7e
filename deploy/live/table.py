"""The live table of ``bindstream run``: a pure function from what is known to what is shown."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from bindstream.command import sheet
from bindstream.command.rows import STAGES, Step, StreamRow, TableState
from bindstream.command.sheet import Cell, Column
from bindstream.types import Event, Scene

_STATE_STYLES = {
    "opening": "yellow",
    "running": "green",
    "stalled": "yellow",
    "paused": "blue",
    "failed": "bold red",
    "ended": "dim",
    "stopped": "dim",
}
_STEP_MARKS = {
    "waiting": ("·", "dim"),
    "running": ("…", "yellow"),
    "done": ("✓", "green"),
    "failed": ("✗", "bold red"),
}
_STREAM_COLUMNS = (
    Column("stream"),
    Column("state"),
    *(Column(heading, figure=True) for heading in ("sensor Hz", "out Hz", "age ms")),
    *(Column(heading, figure=True) for heading in ("published", "open")),
    Column("dropped"),
)
_TIME_COLUMNS = (
    Column("stream"),
    *(Column(stage, figure=True) for stage in STAGES),
    Column("words"),
)
_UNKNOWN = Cell("-", "dim")
RATE_SLACK = 0.85
"""A sensor that gives less than this share of the rate it should is shown in red."""


def render(state: TableState, *, hint: str = "") -> RenderableType:
    """What is known of the robot -> what the terminal shows; ``hint`` is the last line."""
    parts: list[RenderableType] = []
    if any(step.state != "done" for step in state.steps) or not state.rows:
        parts += [_step_line(step) for step in state.steps]
    if state.rows:
        parts += [_stream_table(state), _time_table(state)]
        parts += _scene_lines(state)
        parts += [_why_line(state.name_of(row), row) for row in state.rows.values() if row.why]
        parts += [_event_line(event) for event in state.events]
    if hint:
        parts.append(Text(hint, style="dim"))
    return Padding(Group(*parts), (0, 0, 0, 1))


def _step_line(step: Step) -> Text:
    mark, style = _STEP_MARKS[step.state]
    took = "" if step.seconds is None else f"  {step.seconds:.1f} s"
    return Text.assemble((f"{mark} {step.name}", style), (took, "dim"))


class Sheet:
    """A table of ``bindstream.command.sheet`` that rich prints, at the width that rich gives it."""

    def __init__(
        self, title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]]
    ) -> None:
        self._title, self._columns, self._rows = title, columns, rows

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """The title, then the table."""
        yield Text(self._title, style="italic")
        for line in sheet.table(self._columns, self._rows, options.max_width):
            yield Text.assemble(*line)


def _stream_table(state: TableState) -> Sheet:
    title = f"robot {state.robot}   (age: median/p99 of what is published)"
    return Sheet(
        title,
        _STREAM_COLUMNS,
        [_stream_cells(state.name_of(row), row) for row in state.rows.values()],
    )


def _stream_cells(name: str, row: StreamRow) -> list[Cell | str]:
    return [
        name,
        Cell(row.state, _STATE_STYLES.get(row.state, "")),
        _sensor_rate(row),
        _figure(row.published_hz, 1),
        f"{_figure(row.age_p50_ms).text}/{_figure(row.age_p99_ms).text}",
        str(row.published),
        str(row.open),
        _drops(row),
    ]


def _sensor_rate(row: StreamRow) -> Cell:
    if row.rate_hz is None:
        return _UNKNOWN
    wanted = row.wanted_rate_hz or 0.0
    low = row.state == "running" and row.rate_hz < wanted * RATE_SLACK
    return Cell(f"{row.rate_hz:.0f}", "red" if low else "")


def _figure(value: float | None, digits: int = 0) -> Cell:
    return _UNKNOWN if value is None else Cell(f"{value:.{digits}f}")


def _drops(row: StreamRow) -> Cell:
    told = [f"{reason} {count}" for reason, count in sorted(row.dropped.items())]
    return Cell(", ".join(told), "red") if told else _UNKNOWN


def _time_table(state: TableState) -> Sheet:
    """Where a window's time goes, the median of each stage, and what is nearest to it."""
    title = "where the time goes (median ms), and the nearest words"
    return Sheet(title, _TIME_COLUMNS, [_time_cells(state, row) for row in state.rows.values()])


def _time_cells(state: TableState, row: StreamRow) -> list[Cell | str]:
    times = [_figure(row.stages_ms.get(stage), 1) for stage in STAGES]
    words = ", ".join(state.words_of(row).values())
    return [state.name_of(row), *times, Cell(words, "cyan")]


def _scene_lines(state: TableState) -> list[Text]:
    if not state.scenes:
        return [Text("scene: none yet", style="dim")]
    lines = []
    for scene in state.scenes.values():
        lines.append(_scene_line(_scene_title(state, scene), scene))
        if state.truth and scene.robot == state.truth_of:
            lines.append(_truth_line(state.truth, scene))
    return lines


def _scene_title(state: TableState, scene: Scene) -> str:
    """Whose it is, where there are several."""
    robots = Counter(robot for robot, _ in state.scenes)
    of = f"of {scene.robot} " if len(robots) > 1 else ""
    return f"scene {of}" + (f"in {scene.space_id} " if robots[scene.robot] > 1 else "")


def _scene_line(title: str, scene: Scene) -> Text:
    present = sum(member.seq >= 0 for member in scene.members)
    words = ", ".join(f"{question}: {word}" for question, word in scene.words.items())
    share = f"#{scene.seq}, {present} of {len(scene.members)} streams"
    return Text.assemble((title, "bold"), share, ("  " + words, "cyan"))


def _truth_line(truth: dict[str, frozenset[str]], scene: Scene) -> Text:
    """What the simulated world knows: green where the scene says so, red where it says otherwise,
    dim where it says nothing."""
    line = Text.assemble(("truth ", "bold"))
    for question, right in truth.items():
        said = scene.words.get(question)
        style = "dim" if said is None else "green" if said in right else "red"
        line.append(f" {question}: {' or '.join(sorted(right))} ", style)
    return line


def _why_line(name: str, row: StreamRow) -> Text:
    return Text.assemble((f"{name}: ", "bold"), (row.why, _STATE_STYLES.get(row.state, "")))


def _event_line(event: Event) -> Text:
    clock = time.strftime("%H:%M:%S", time.localtime(event.t_ns // 10**9))
    detail = "".join(f"  {key}={value}" for key, value in event.detail.items())
    return Text.assemble((f"{clock}  ", "dim"), (event.name, "magenta"), detail)
