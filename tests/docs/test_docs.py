"""Every block of the documentation is executed, checked, or says why not (decision 0008)."""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bindstream.command.cli import VERBS
from bindstream.command.records import as_record
from deploy.config.arguments import EncoderArgs, LiveArgs, StreamArgs
from deploy.config.file import load
from deploy.config.preflight import preflight
from encoders.weights.card import read_card
from tests.deploy import messages
from tests.docs import blocks
from tests.docs.blocks import ROOT, Block
from tests.docs.conftest import shipped
from tests.docs.running import output_of
from tests.system.robot import Robot

pytestmark = pytest.mark.timeout(900)  # the first test of all starts a robot
TESTED = {"python", "bash", "yaml", "json"}
LISTINGS = {"text"}  # of files or of output: nothing to run
ROBOT = "deploy.app:robot"
LIVE_VERBS = {"listen", "status", "devices", "doctor", "check", "plan"}
HARMLESS = {
    "source .venv/bin/activate",
    "export RAY_AUTH_MODE=token",
    "export RAY_worker_niceness=0",
    "chmod 600 ~/.ray/auth_token",
}


def of(language: str) -> Any:
    return pytest.mark.parametrize("block", blocks.to_run(language), ids=str)


@pytest.mark.parametrize("block", blocks.all_blocks(), ids=str)
def test_a_block_is_tested_or_says_why_not(block: Block) -> None:
    """Breaks if somebody adds code in a language that nothing here runs, without a reason."""
    assert block.language in TESTED | LISTINGS or len(block.excuse) > 15


@pytest.mark.parametrize("page", blocks.pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Breaks if a page is moved and its readers are not told."""
    broken = [t for t in blocks.links_of(page) if not (page.parent / t).exists()]
    assert not broken


@pytest.mark.parametrize("start", ["README.md", "docs/index.md"])
def test_every_page_is_found_from_where_readers_start(start: str) -> None:
    """Breaks if somebody writes a page that no reader comes to."""
    page = ROOT / start
    linked = {(page.parent / t).resolve() for t in blocks.links_of(page)}
    written = {*(ROOT / "docs").glob("*.md"), ROOT / "docs" / "decisions" / "README.md"}
    assert not written - linked - {page}


def test_every_decision_is_in_their_table() -> None:
    """Breaks if a decision is written down where nobody looks."""
    table = ROOT / "docs" / "decisions" / "README.md"
    assert {p.name for p in table.parent.glob("0*.md")} == {
        t for t in blocks.links_of(table) if t.startswith("0")
    }


@pytest.mark.ray
@of("python")
def test_python_runs_against_a_live_robot(
    block: Block, robot: Robot, shell_env: dict[str, str], tmp_path: Path
) -> None:
    """Breaks if code that a reader pastes raises, or waits for what never comes."""
    program = tmp_path / "block.py"
    program.write_text(at(robot, block.text))
    output_of([sys.executable, str(program)], shell_env)


@pytest.mark.ray
@of("bash")
def test_commands_run_or_parse(block: Block, robot: Robot, shell_env: dict[str, str]) -> None:
    """Breaks if a command, an option, a make target or an address is not what we say."""
    for line in blocks.commands(block):
        check_command(line, robot, shell_env)


@of("yaml")
def test_yaml_is_a_configuration(block: Block, tmp_path: Path) -> None:
    """Breaks if a key, a unit, a driver or one of its options is not what we say."""
    path = tmp_path / "ray_config.yaml"
    path.write_text(yaml.safe_dump(whole(yaml.safe_load(block.text))))
    config = load(path)
    with pytest.MonkeyPatch.context() as patch:  # the full weights need not be here
        patch.setattr("encoders.imagebind.offer.read_card", lambda _: read_card(None))
        preflight(config, devices=False, ports=False)


@of("json")
def test_json_is_what_listen_prints(block: Block) -> None:
    """Breaks if the sample of a message lacks a key, or has one that no message has."""
    assert list(json.loads(block.text)) == list(as_record(messages.embedding()))


def test_the_wire_page_names_every_key_and_reason() -> None:
    """Breaks if the header gets a key, or a drop a reason, that the page does not explain."""
    from bindstream.types import Reason
    from bindstream.wire import Header

    page = (ROOT / "docs" / "wire.md").read_text()
    missing = [f for f in Header.__struct_fields__ if f"`{f}`" not in page]
    missing += [r for r in Reason if f"`{r}`" not in page]
    assert not missing


def test_the_operations_page_explains_every_reason() -> None:
    """Breaks if an operator meets a reason that is not in the table."""
    from bindstream.types import Reason

    page = (ROOT / "docs" / "operations.md").read_text()
    assert not [r for r in Reason if f"| `{r}` |" not in page]


def whole(shown: Any) -> dict[str, Any]:
    """A block -> a file: a whole one; applications, in place of the shipped ones of their names;
    or the ``args`` of one stream or encoder, or the publisher's ``user_config``."""
    if "applications" in shown:
        return dict(shown)
    file = shipped()
    apps = {app["name"]: app for app in file["applications"]}
    more = shown if isinstance(shown, list) else [as_application(shown, apps)]
    if any(app["import_path"] == ROBOT and app["args"]["name"] != "robot" for app in more):
        apps = {"encoder": apps["encoder"]}  # a robot of its own brings its own streams
    return file | {"applications": list((apps | {app["name"]: app for app in more}).values())}


def as_application(shown: dict[str, Any], apps: dict[str, Any]) -> dict[str, Any]:
    keys = set(shown)
    if keys <= set(StreamArgs.model_fields) and "driver" in keys:
        path = "deploy.app:stream"
        return {"name": shown["name"], "route_prefix": None, "import_path": path, "args": shown}
    if keys <= set(EncoderArgs.model_fields):
        return apps["encoder"] | {"args": shown}
    assert keys <= set(LiveArgs.model_fields), keys
    (publisher,) = apps["robot"]["deployments"]
    live = publisher["user_config"] | shown
    return apps["robot"] | {"deployments": [{"name": "publisher", "user_config": live}]}


def at(robot: Robot, text: str) -> str:
    """The robot of these tests has free ports instead of the usual ones."""
    text = text.replace("tcp://127.0.0.1:5570", robot.endpoint)
    return text.replace("http://127.0.0.1:8000", robot.http)


def check_command(line: str, robot: Robot, env: dict[str, str]) -> None:
    if line in HARMLESS:
        return
    words = shlex.split(line)
    match words[0].removeprefix(".venv/bin/"):
        case "make":
            run(f"make --dry-run {shlex.join(words[1:])}", env)
        case "bindstream" if words[1] in LIVE_VERBS:
            run(at_endpoint(words, robot), env)
        case "bindstream":
            parse(words[1], words[2:])
        case "curl":
            assert run(at(robot, line), env)
        case "ray" | "serve":
            check_ray(words, env)
        case _:
            pytest.fail(f"nothing here knows how to test: {line}")


def run(line: str, env: dict[str, str]) -> str:
    told = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=env,
        cwd=ROOT,
    )
    assert told.returncode == 0, f"{line}: exit code {told.returncode}: {told.stderr[-2000:]}"
    return told.stdout


def at_endpoint(words: list[str], robot: Robot) -> str:
    asks_stream = words[1] in {"listen", "status"}
    place = [robot.endpoint] if asks_stream else []
    return shlex.join(["bindstream", words[1], *place, *words[2:]])


def parse(verb: str, words: list[str]) -> None:
    """By the verb's own parser: it would not end, or would change this machine."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(VERBS[verb][0]).arguments(parser)
    parser.parse_args(words)


def check_ray(words: list[str], env: dict[str, str]) -> None:
    """Ray's own help knows the command and each option; its effect is tests/system's matter."""
    words = [w for w in words if not w.startswith((">", "/dev/null"))]
    told = run(f"{words[0]} {words[1]} --help", env)
    unknown = [w for w in words[2:] if w.startswith("-") and w not in told]
    assert not unknown, f"{words[0]} {words[1]} does not know {unknown}"
