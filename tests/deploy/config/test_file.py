"""ray_config.yaml: what is accepted, and the one clear line for each mistake."""

# ruff: noqa: E501 - tables of mistakes read better unwrapped

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bindstream.errors import ConfigError
from bindstream.types import Modality
from deploy.config.file import load, shipped_path

STREAM = {
    "name": "front",
    "modality": "vision",
    "driver": "world",
    "options": {"modality": "vision"},
}
ENCODER, FRONT, ROBOT = 0, 1, 2
"""Where the three stand in a document's list."""


def app(name: str, builder: str, route: str | None = None, /, **args: Any) -> dict[str, Any]:
    path = f"deploy.app:{builder}"
    return {"name": name, "import_path": path, "route_prefix": route, "args": args}


def document(**live: Any) -> dict[str, Any]:
    """One encoder, one stream, one robot; ``live`` is the publisher's user_config."""
    robot = app("robot", "robot", "/")
    robot["deployments"] = [{"name": "publisher", "user_config": live}]
    return {
        "http_options": {"host": "127.0.0.1", "port": 8000},
        "applications": [app("encoder", "encoder"), app("front", "stream", **STREAM), robot],
    }


def with_args(n: int, **args: Any) -> dict[str, Any]:
    """The document with more in the ``args`` of one application."""
    made = document()
    made["applications"][n]["args"] |= args
    return made


def with_apps(*more: dict[str, Any]) -> dict[str, Any]:
    made = document()
    made["applications"] += more
    return made


def write(folder: Path, content: Any) -> Path:
    path = folder / "robot.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def refusal(folder: Path, content: Any) -> str:
    """The one line, without the file's name."""
    path = write(folder, content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_the_shipped_file_is_valid():
    """Breaks if what we ship cannot run."""
    config = load()
    assert config.path == shipped_path()
    assert config.http == ("127.0.0.1", 8000)
    assert {s.modality for s in config.streams} == {
        Modality.VISION, Modality.AUDIO, Modality.DEPTH, Modality.THERMAL, Modality.IMU,
    }  # fmt: skip
    (robot,) = config.robots
    assert set(robot.expected) == {stream.name for stream in robot.streams}


def test_defaults_stand_where_nothing_is_said(tmp_path):
    """Breaks if a minimal file needs more than its parts."""
    minimal = document()
    del minimal["http_options"]
    del minimal["applications"][ENCODER]["args"]
    del minimal["applications"][ROBOT]["args"]
    del minimal["applications"][ROBOT]["deployments"]
    config = load(write(tmp_path, minimal))
    assert config.http == ("127.0.0.1", 8000)
    (robot,) = config.robots
    assert (robot.name, robot.args.encoder, robot.expected) == ("robot", "encoder", ("front",))
    assert config.streams[0].hop == 0.5
    assert list(config.encoders) == ["encoder"]


def test_streams_name_their_encoder_and_their_robot(tmp_path):
    """Breaks if a stream of the second robot, or of the second encoder, is given to the first."""
    made = document()
    made["applications"] += [
        app("hears", "encoder", modalities=["audio"]),
        app("other", "robot", "/two", name="other", publish={"endpoint": "tcp://127.0.0.1:5580"}),
        app(
            "ears",
            "stream",
            **(STREAM | {"modality": "audio", "robot": "other", "encoder": "hears"}),
        ),
    ]
    config = load(write(tmp_path, made))
    first, second = config.robots
    assert [(s.name, s.encoder) for s in first.streams] == [("front", "encoder")]
    assert [(s.name, s.encoder) for s in second.streams] == [("front", "hears")]
    assert {a.name: a.route for a in config.apps}["other"] == "/two"


def test_questions_are_words_or_phrases(tmp_path):
    """Breaks if an answer loses its phrases on the way."""
    labels = {
        "object": {"words": ["dog", "cat"]},
        "place": {"words": {"kitchen": ["a kitchen", "a stove"], "hall": ["a hall"]}},
    }
    live = load(write(tmp_path, document(labels=labels))).robots[0].live
    assert live.labels["object"].words == {"dog": ("dog",), "cat": ("cat",)}
    assert live.labels["place"].words["kitchen"] == ("a kitchen", "a stove")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (with_args(ROBOT, streams=[]), "application 'robot': unknown key 'streams'"),
        (with_args(ROBOT, nam="x"), "application 'robot': unknown key 'nam'; did you mean 'name'?"),
        (with_args(ROBOT, name="My Robot"), "application 'robot': name: wants 1 to 64 of a-z, 0-9, '_' and '-' (got 'My Robot')"),
        (with_args(ROBOT, publish={"endpoint": "tcp://0.0.0.0:5570"}), "application 'robot': publish.endpoint: 'tcp://0.0.0.0:5570' is not"),
        (with_args(ROBOT, publish={"endpoint": "tcp://*:5570"}), "application 'robot': publish.endpoint: 'tcp://*:5570' is not"),
        (with_args(ROBOT, publish={"endpoint": "tcp://127.0.0.1:70000"}), "application 'robot': publish.endpoint: "),
        (with_args(ROBOT, publish={"endpoint": "tcp://127.0.0.1.evil.example:5570"}), "application 'robot': publish.endpoint: "),
        (with_args(ROBOT, publish={"endpont": "tcp://127.0.0.1:5570"}), "application 'robot': unknown key 'publish.endpont'; did you mean 'endpoint'?"),
        (with_args(ROBOT, time="recorded"), "application 'robot': time: Input should be 'live' or 'streams' (got 'recorded')"),
        (with_args(ROBOT, speed=4), "application 'robot': speed: 4 needs time: streams"),
        (with_args(ROBOT, speed="max"), "application 'robot': speed: max needs time: streams"),
        (with_args(ROBOT, time="streams", speed=0), "application 'robot': speed: '0' is not how many times as fast"),
        (with_args(ROBOT, time="streams", speed="fast"), "application 'robot': speed: 'fast' is not how many times as fast"),
        (with_args(ENCODER, devise="cpu"), "application 'encoder': unknown key 'devise'; did you mean 'device'?"),
        (with_args(ENCODER, name="e"), "application 'encoder': unknown key 'name'"),
        (with_args(ENCODER, threads="many"), "application 'encoder': threads: Input should be a valid integer"),
        (with_args(ENCODER, dtype="int8"), "application 'encoder': dtype: Input should be 'auto', 'float32' or 'bfloat16' (got 'int8')"),
        (document(labls={}), "application 'robot': unknown key 'labls'; did you mean 'labels'?"),
        (document(scene={"hop_ms": 500}), "application 'robot': unknown key 'scene.hop_ms'; did you mean 'hop_s'?"),
        (document(scene={"weights": {"rear": 1.0}}), "robot 'robot': scene.weights names none of ours: 'rear'; known: front"),
        (document(expect=["fornt"]), "robot 'robot': expect names none of ours: 'fornt'; did you mean 'front'?"),
        (document(labels={"object": {"wrds": ["a", "b"], "words": ["a", "b"]}}), "application 'robot': unknown key 'labels.object.wrds'; did you mean 'words'?"),
        (document(labels={"object": {}}), "application 'robot': 'labels.object.words' is missing"),
        (document(labels={"object": {"words": ["dog"]}}), "application 'robot': labels.object.words: wanted two or more answers"),
        (document(labels={"object": {"words": ["dog", "dog"]}}), "application 'robot': labels.object.words: two answers are called 'dog'"),
        (document(labels={"object": {"words": {"dog": [], "cat": ["c"]}}}), "application 'robot': labels.object.words: answer 'dog' has no phrase"),
        (document(labels={"object": {"words": ["a", "b"], "prompts": ["a photo"]}}), "application 'robot': labels.object.prompts: prompt 'a photo' needs exactly one {}"),
        (document(labels={"object": {"words": ["a", "b"], "modalities": ["text"]}}), "application 'robot': labels.object.modalities: what tells the answer cannot be 'text'; one of vision"),
    ],
)  # fmt: skip
def test_a_mistake_in_our_arguments_is_one_clear_line(tmp_path, content, line):
    """Breaks if a mistake is accepted, blamed on another key, or explained in many lines."""
    assert refusal(tmp_path, content).startswith(line)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"hop_ms": 500}, "unknown key 'hop_ms'; did you mean 'hop_s'?"),
        ({"hop_s": 500}, "hop_s: Input should be less than or equal to 60 (got 500)"),
        ({"hop_s": "500ms"}, "hop_s: Input should be a valid number"),
        ({"modality": "text"}, "modality: a stream cannot be 'text'; one of vision"),
        ({"modality": "video"}, "modality: a stream cannot be 'video'; one of vision, audio, depth, thermal, imu"),
        ({"modality": "IMU"}, "modality: a stream cannot be 'IMU'; one of vision, audio, depth, thermal, imu; did you mean 'imu'?"),
        ({"modality": ["imu"]}, "modality: a stream cannot be '['imu']'"),
        ({"source": "/dev/video0"}, "unknown key 'source'; if it is the driver's, it belongs under its 'options'"),
        ({"name": "Front"}, "name: wants 1 to 64 of a-z"),
        ({"robot": "My Robot"}, "robot: wants 1 to 64 of a-z"),
        ({"options": ["a"]}, "options: Input should be a valid map (got a list)"),
        ({"in_flight": 0}, "in_flight: Input should be greater than or equal to 1 (got 0)"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_stream_names_its_application(tmp_path, change, line):
    """Breaks if one cannot see which stream is meant."""
    assert refusal(tmp_path, with_args(FRONT, **change)).startswith(f"application 'front': {line}")


def test_what_is_missing_is_named(tmp_path):
    """Breaks if a missing key shows as something else."""
    content = document()
    del content["applications"][FRONT]["args"]["driver"]
    assert refusal(tmp_path, content) == "application 'front': 'driver' is missing"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (with_args(FRONT, robot="rover"), "stream 'front': robot names none of ours: 'rover'; known: robot"),
        (with_args(FRONT, encoder="encodr"), "stream 'front': encoder names none of ours: 'encodr'; did you mean 'encoder'?"),
        (with_args(ROBOT, encoder="encodr"), "robot 'robot': encoder names none of ours: 'encodr'; did you mean 'encoder'?"),
        (with_apps(app("again", "stream", **STREAM)), "robot 'robot': two streams are 'front'"),
        (with_apps(app("two", "robot", "/two"), app("b", "stream", **(STREAM | {"name": "b"}))), "two robots are 'robot'"),
        (with_apps(app("two", "robot", "/two", name="two"), app("b", "stream", **(STREAM | {"robot": "two"}))),
         "two publish.endpoints are 'tcp://127.0.0.1:5570'"),
        (with_args(FRONT, labels={"host": "a"}), "stream 'front': labels {'host': 'a'} are not those of its robot 'robot' (none)"),
        (with_args(ROBOT, labels={"host": "a"}), "stream 'front': labels none are not those of its robot 'robot' ({'host': 'a'})"),
        (with_apps(app("two", "robot", "/two", name="two", publish={"endpoint": "ipc:///tmp/two"})),
         "robot 'two': no stream is of this robot: give one 'robot: two'"),
    ],
)  # fmt: skip
def test_applications_that_disagree_are_one_clear_line(tmp_path, content, line):
    """Breaks if a stream waits for ever for a robot or an encoder that is not there, two robots
    fight for one address, or a stream and its publisher part in silence."""
    said = load_refused(tmp_path, content).splitlines()
    assert any(one.removeprefix(f"{tmp_path / 'robot.yaml'}: ").startswith(line) for one in said)


def load_refused(folder: Path, content: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, content))
    return str(caught.value)


def test_the_single_application_of_before_is_told_its_new_form(tmp_path):
    """Breaks if a file of the first version ends in a complaint that leads nowhere."""
    old = {"name": "bindstream", "import_path": "deploy.app:build", "args": {"streams": [STREAM]}}
    said = refusal(tmp_path, {"applications": [old]})
    assert "'deploy.app:build' was one application for all" in said
    assert "each robot, encoder and stream is an application of its own" in said
    assert "docs/deploy.md" in said


def changed(*place: Any, **values: Any) -> dict[str, Any]:
    """A valid document with keys added at a place."""
    made = copy.deepcopy(document())
    target: Any = made
    for step in place:
        target = target[step]
    target.update(values)
    return made


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (changed(aplications=[]), "unknown key 'aplications'; did you mean 'applications'?"),
        (changed(applications=[]), "'applications' must be a list: each robot, encoder and stream"),
        (changed("applications", FRONT, import_path="deploy.app:streem"), "applications.1: import_path 'deploy.app:streem' is not ours; did you mean 'deploy.app:stream'?"),
        (changed("applications", FRONT, name=None), "'applications.1.name' is missing: other applications call it by that"),
        (changed("applications", FRONT, name="robot"), 'applications: Found multiple configs for application "robot"'),
        (changed("applications", FRONT, route_prefix="/x"), "'applications.1.route_prefix' must be null: only a robot answers HTTP"),
        (changed("applications", ROBOT, route_prefix="two"), "'applications.2.route_prefix' is 'two': wants '/', or such as '/two'"),
        (changed("applications", ROBOT, route_prefix="/two/"), "'applications.2.route_prefix' is '/two/': wants"),
        (changed("applications", ROBOT, route_prefix=2), "applications.2.route_prefix: Input should be a valid string"),
        (changed("applications", ROBOT, deployments=[{"name": "ingress", "user_config": {"labels": {}}}]),
         "'applications.2.deployments.0.user_config' belongs to 'publisher'"),
        (changed(applications=["x"]), "'applications.0' must be a map, got 'x'"),
        (changed("applications", 0, arg={}), "unknown key 'applications.0.arg'; did you mean 'args'?"),
        (changed("http_options", prt=1), "unknown key 'http_options.prt'; did you mean 'port'?"),
        (changed("http_options", port="x"), "http_options.port: Input should be a valid integer"),
        (changed("http_options", host="0.0.0.0"), "http_options.host is '0.0.0.0'; the HTTP ingress has no password"),
        (changed(http_options=None), "http_options: Input should be a valid map"),
        (changed(proxy_location="Nowhere"), "proxy_location: "),
        (changed("applications", 0, deployments=[{"name": "encoder", "num_replica": 2}]),
         "unknown key 'applications.0.deployments.0.num_replica'; did you mean 'num_replicas'?"),
        (changed("applications", 0, deployments=[{"name": "encodr"}]),
         "applications.0.deployments.0 names no deployment of ours: 'encodr'; did you mean 'encoder'?"),
        ("- a\n", "wanted a map with 'applications', got list"),
        ("", "wanted a map with 'applications', got NoneType"),
        ("a: [1", "line 1, column 6: cannot be read as YAML: expected ',' or ']'"),
        ("applications: []\napplications: []\n", "line 2, column 1: cannot be read as YAML: 'applications' stands twice"),
        ("a:\n\tb: 1\n", "line 2, column 1: cannot be read as YAML: found character '\\t' that cannot start any token; YAML indents with spaces"),
        ("a: 1\nb: 2026-05-32\n", "cannot be read as YAML: day is out of range"),
        ("a: 1\nb: \0\n", "line 2: cannot be read as YAML: "),
        ("[" * 5000, "cannot be read as YAML: maximum recursion"),
        ("streams: []\n", "'streams' at the top: each robot, encoder and stream is an application of its own: docs/deploy.md"),
        (changed(encoder={}), "'encoder' at the top: each robot"),
        (changed("applications", 0, streams=[]), "'applications.0.streams' belongs under its 'args'"),
    ],
)  # fmt: skip
def test_a_mistake_in_serves_part_is_one_clear_line(tmp_path, content, line):
    """Breaks if Serve's silence about misspelt keys becomes ours."""
    assert refusal(tmp_path, content).startswith(line)


def test_a_file_in_another_encoding_names_the_line(tmp_path):
    """Breaks if an editor's Latin-1 ends in a traceback, or is read as other letters."""
    path = tmp_path / "robot.yaml"
    path.write_bytes("a: 1\nb: Gerät\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="line 2: cannot be read as YAML: invalid"):
        load(path)


def test_every_mistake_is_told_at_once(tmp_path):
    """Breaks if a file must be mended one error at a time."""
    path = write(tmp_path, with_args(FRONT, hop_ms=1, robt="x"))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_is_not_there_says_so(tmp_path):
    """Breaks if a wrong path ends in a traceback."""
    with pytest.raises(ConfigError, match=r"absent\.yaml: No such file"):
        load(tmp_path / "absent.yaml")


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:5570", "tcp://localhost:5570", "tcp://[::1]:5570", "ipc:///tmp/x"])  # fmt: skip
def test_loopback_endpoints_are_accepted(tmp_path, endpoint):
    """Breaks if an address of this machine is refused."""
    config = load(write(tmp_path, with_args(ROBOT, publish={"endpoint": endpoint})))
    assert config.robots[0].args.publish.endpoint == endpoint


@pytest.mark.parametrize("bare", ["127.0.0.1:5570", "localhost:5570", ":5570"])
def test_an_endpoint_without_a_transport_is_tcp(tmp_path, bare):
    """Breaks if the address that every other tool takes has to be spelled ZeroMQ's way."""
    config = load(write(tmp_path, with_args(ROBOT, publish={"endpoint": bare})))
    endpoint = config.robots[0].args.publish.endpoint
    assert endpoint == f"tcp://{'127.0.0.1' if bare.startswith(':') else ''}{bare}"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (with_args(FRONT, hop_s=True), "hop_s: wants a number, got true"),
        (with_args(ENCODER, threads=True), "threads: wants a number, got true"),
        (with_args(ENCODER, modalities=[]), "modalities: "),
        (document(scene={"weights": {"front": -1}}), "scene.weights.front: "),
        (document(scene={"weights": {"front": float("nan")}}), "scene.weights.front: "),
        (document(scene={"weights": {"front": float("inf")}}), "scene.weights.front: "),
        (document(labels={"q": {"words": [True, False]}}), "quote it, such as 'yes'"),
        (document(labels={"q": {"words": {True: ["a"], "b": ["c"]}}}), "quote it, such as 'yes'"),
        (document(labels={"q": {"words": ["a", None]}}), "an answer wants words, got NoneType"),
        (document(labels={"q": {"words": ["a", ["b"]]}}), "an answer wants words, got list"),
        (document(labels={"q": {"words": ["a", " "]}}), "an answer wants words, got str"),
        (document(labels={"q": {"words": {"a": [""], "b": ["c"]}}}), "no phrase that means it"),
        (document(labels={"q": {"words": ["a", "b"], "prompts": []}}), "labels.q.prompts: "),
        (document(labels={"q": {"words": ["a", "b"], "modalities": []}}), "labels.q.modalities: "),
        (document(labels={"q": {"words": ["a", "\ud800"]}}), "half a character"),
        (changed("applications", ENCODER, name="a\nb"), "wants 1 to 100 characters in a line"),
        (changed("applications", ENCODER, name=""), "wants 1 to 100 characters in a line"),
        (changed("applications", ROBOT, "deployments", 0, name={"a": 1}), "names no deployment"),
        (changed(logging_config={"a": 1}), "unknown key 'logging_config.a'"),
    ],
)
def test_a_value_of_another_type_or_that_cannot_be_is_one_clear_line(tmp_path, content, line):
    """Breaks if YAML's true counts as 1 and its yes as an answer, if a weight makes every scene
    NaN, or if a value of another type ends in a traceback."""
    assert line in load_refused(tmp_path, content)


def test_numbers_are_answers(tmp_path):
    """Breaks if `words: [1, 2]` is refused: what it means is plain."""
    config = load(write(tmp_path, document(labels={"q": {"words": [1, 2.5]}})))
    assert list(config.robots[0].live.labels["q"].words) == ["1", "2.5"]
