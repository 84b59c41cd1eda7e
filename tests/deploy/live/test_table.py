"""The live table, rendered to text."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from rich.console import Console

from bindstream.command.rows import TableState
from deploy.live.table import render
from tests.deploy import messages


def shown(state: TableState, width: int = 100, **options: str) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render(state, **options))
    return capture.get()


def running_robot() -> TableState:
    state = TableState()
    for message in (
        messages.health("front"),
        messages.health("mic", "opening", why="no device named 'robotmic'", rate_hz=0.0),
        messages.embedding(9),
        messages.scene(33),
        messages.event(),
    ):
        state.absorb(message)
    return state


def test_several_robots_stand_side_by_side() -> None:
    """Breaks if the streams of two robots that have one name overwrite each other, the scene of
    one is taken for the other's, or one truth is told beside both."""
    state = TableState(robot="rover, arm", truth_of="rover", truth={"motion": frozenset({"x"})})
    others = [replace(m, robot="arm") for m in (messages.health(), messages.scene(77))]
    for message in (messages.health(published_hz=1.5), messages.scene(33), *others):
        state.absorb(message)
    text = shown(state, 120)
    assert "rover/front" in text
    assert "arm/front" in text
    assert "scene of rover #33" in text
    assert "scene of arm #77" in text
    assert text.count("truth") == 1


def test_scenes_of_two_spaces_stand_side_by_side_while_both_are_told() -> None:
    """Breaks if a robot of two encoders shows the one that spoke last, or a space that is gone."""
    state = TableState()
    here, there = messages.scene(3), replace(messages.scene(4), space_id="other:1")
    for message in (messages.health(), here, there):
        state.absorb(message)
    text = shown(state, 120)
    assert f"scene in {here.space_id} #3" in text
    assert "scene in other:1 #4" in text
    state.absorb(replace(there, end_ns=there.end_ns + 20_000_000_000))
    assert "scene #4" in shown(state, 120)


def test_a_stream_that_was_removed_leaves_the_table() -> None:
    """Breaks if a stream that is no part of the robot any more is shown for ever."""
    state = running_robot()
    assert "mic: " in shown(state)
    state.absorb(replace(messages.event(), name="stream_removed"))
    assert "mic: " not in shown(state)
    assert list(state.rows) == [("rover", "front")]


def test_a_starting_robot_shows_its_steps() -> None:
    """Breaks if the seconds before the first embedding look like a hang."""
    state = TableState()
    state.begin("private Ray")
    state.finish("private Ray", 3.24)
    state.begin("deploying 5 streams")
    text = shown(state, hint="Ctrl-C stops")
    assert "✓ private Ray  3.2 s" in text
    assert "… deploying 5 streams" in text
    assert text.rstrip().endswith("Ctrl-C stops")


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_running_robot_shows_all_that_was_promised(width: int) -> None:
    """Breaks if rate, ages, ledger, drops by reason, stages, words or scene go missing,
    also on a narrow terminal."""
    text = shown(running_robot(), width)
    front = next(line for line in text.splitlines() if "front" in line)
    for part in ("running", "30", "2.0", "120/310", "7", "1", "superseded 2"):
        assert part in front
    times = [line for line in text.splitlines() if "front" in line][1]
    for part in ("11.0", "0.4", "1.7", "2.0", "33.0", "0.6", "dog"):
        assert part in times
    assert "scene #33, 1 of 2 streams  motion: moving forward" in text
    assert "stream_reopened" in text
    assert all(len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_cuts_nothing(width: int) -> None:
    """Breaks if figures or names are cut, or lines are folded, where the table does not fit."""
    text = shown(running_robot(), width)
    for part in ("front", "running", "2.0", "120/310", "superseded 2", "33.0"):
        assert part in text
    assert all(len(line) <= width for line in text.splitlines())


def test_a_stream_that_waits_says_why() -> None:
    """Breaks if a missing device has to be looked for in a log."""
    assert "mic: no device named 'robotmic'" in shown(running_robot())


def test_markup_in_names_and_words_is_printed_as_it_is() -> None:
    """Breaks if a word such as '[red]' could change the table or crash it."""
    state = TableState()
    state.absorb(messages.embedding(0, words={"object": "[bold]dog[/nonsense]"}))
    assert "[bold]dog[/nonsense]" in shown(state, 160)


def test_steps_leave_once_all_is_up_and_return_on_failure() -> None:
    """Breaks if a finished start keeps its lines, or a failed one loses them."""
    state = running_robot()
    state.begin("deploy")
    assert "… deploy" in shown(state)
    state.finish("deploy", 1.0)
    assert "deploy" not in shown(state)
    state.finish("drain", 2.0, failed=True)
    assert "✗ drain" in shown(state)


def test_the_truth_is_shown_beside_the_words() -> None:
    """Fails when a simulated robot's table does not tell right words from wrong ones."""
    truth = {"object": frozenset({"dog", "clock"}), "light": frozenset({"day"})}
    state = TableState(truth_of="rover", truth=truth)
    state.absorb(messages.health())
    state.absorb(messages.scene())
    assert "truth" in shown(state)
    assert "clock or dog" in shown(state)
