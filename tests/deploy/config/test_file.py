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


def document(**args: Any) -> dict[str, Any]:
    application = {
        "name": "bindstream",
        "import_path": "deploy.app:build",
        "args": {"streams": [dict(STREAM)], **args},
    }
    return {
        "http_options": {"host": "127.0.0.1", "port": 8000},
        "applications": [application],
    }


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
    assert {s.modality for s in config.args.streams} == {
        Modality.VISION, Modality.AUDIO, Modality.DEPTH, Modality.THERMAL, Modality.IMU,
    }  # fmt: skip


def test_defaults_stand_where_nothing_is_said(tmp_path):
    """Breaks if a minimal file needs more than its streams."""
    minimal = {"applications": [{"import_path": "deploy.app:build", "args": {"streams": [STREAM]}}]}
    config = load(write(tmp_path, minimal))
    assert config.http == ("127.0.0.1", 8000)
    assert config.args.robot.name == "robot"
    assert config.args.streams[0].hop == 0.5
    assert [e.name for e in config.args.encoders] == ["encoder"]


def test_encoders_are_a_map_or_a_list(tmp_path):
    """Breaks if one of the two forms is refused, or modalities go to the wrong encoder."""
    one = load(write(tmp_path, document(encoder={"name": "e", "threads": 2}))).args
    assert [(e.name, e.threads) for e in one.encoders] == [("e", 2)]
    several = [
        {"name": "sees", "modalities": ["vision", "text"]},
        {"name": "hears", "modalities": ["audio"]},
    ]
    two = load(write(tmp_path, document(encoder=several))).args
    assert two.encoder_of(Modality.VISION).name == "sees"
    assert two.encoder_of(Modality.AUDIO).name == "hears"


def test_questions_are_words_or_phrases(tmp_path):
    """Breaks if an answer loses its phrases on the way."""
    labels = {
        "object": {"words": ["dog", "cat"]},
        "place": {"words": {"kitchen": ["a kitchen", "a stove"], "hall": ["a hall"]}},
    }
    args = load(write(tmp_path, document(labels=labels))).args
    assert args.labels["object"].words == {"dog": ("dog",), "cat": ("cat",)}
    assert args.labels["place"].words["kitchen"] == ("a kitchen", "a stove")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ({"robt": {}}, "unknown key 'robt'; did you mean 'robot'?"),
        ({"robot": {"nam": "x"}}, "unknown key 'robot.nam'; did you mean 'name'?"),
        ({"robot": {"name": "My Robot"}}, "robot.name: wants 1 to 64 of a-z, 0-9, '_' and '-' (got 'My Robot')"),
        ({"robot": 7}, "robot: Input should be a valid map"),
        ({"encoder": {"devise": "cpu"}}, "unknown key 'encoder.devise'; did you mean 'device'?"),
        ({"encoder": [{"devise": "cpu"}]}, "unknown key 'encoder.0.devise'; did you mean 'device'?"),
        ({"encoder": {"threads": "many"}}, "encoder.threads: Input should be a valid integer"),
        ({"encoder": {"dtype": "int8"}}, "encoder.dtype: Input should be 'auto', 'float32' or 'bfloat16' (got 'int8')"),
        ({"encoder": []}, "encoder: at least one is needed"),
        ({"encoder": "big"}, "encoder: Input should be a valid map"),
        ({"encoder": [{"name": "a"}, {"name": "a"}]}, "args: two encoders are called 'a'"),
        ({"encoder": {"name": "ingress"}}, "args: an encoder cannot be called 'ingress'"),
        ({"encoder": {"modalities": ["audio"]}}, "args: no encoder takes 'vision'"),
        ({"scene": {"hop_ms": 500}}, "unknown key 'scene.hop_ms'; did you mean 'hop_s'?"),
        ({"scene": {"weights": {"rear": 1.0}}}, "args: scene.weights names no stream of ours: rear"),
        ({"publish": {"endpoint": "tcp://0.0.0.0:5570"}}, "publish.endpoint: 'tcp://0.0.0.0:5570' is not"),
        ({"publish": {"endpoint": "tcp://*:5570"}}, "publish.endpoint: 'tcp://*:5570' is not"),
        ({"publish": {"endpoint": "tcp://127.0.0.1:70000"}}, "publish.endpoint: "),
        ({"publish": {"endpoint": "tcp://127.0.0.1.evil.example:5570"}}, "publish.endpoint: "),
        ({"labels": {"object": {"wrds": ["a", "b"], "words": ["a", "b"]}}}, "unknown key 'labels.object.wrds'; did you mean 'words'?"),
        ({"labels": {"object": {}}}, "'labels.object.words' is missing"),
        ({"labels": {"object": {"words": ["dog"]}}}, "labels.object.words: wanted two or more answers"),
        ({"labels": {"object": {"words": ["dog", "dog"]}}}, "labels.object.words: two answers are called 'dog'"),
        ({"labels": {"object": {"words": {"dog": [], "cat": ["c"]}}}}, "labels.object.words: answer 'dog' has no phrase"),
        ({"labels": {"object": {"words": ["a", "b"], "prompts": ["a photo"]}}}, "labels.object.prompts: prompt 'a photo' needs exactly one {}"),
        ({"labels": {"object": {"words": ["a", "b"], "modalities": ["text"]}}}, "labels.object.modalities: what tells the answer cannot be 'text'; one of vision"),
        ({"streams": []}, "streams: at least one is needed"),
        ({"streams": [STREAM, STREAM]}, "args: two streams are called 'front'"),
    ],
)  # fmt: skip
def test_a_mistake_in_our_arguments_is_one_clear_line(tmp_path, args, line):
    """Breaks if a mistake is accepted, blamed on another key, or explained in many lines."""
    assert refusal(tmp_path, document(**args)).startswith(line)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"hop_ms": 500}, "unknown key 'streams.0.hop_ms'; did you mean 'hop_s'?"),
        ({"hop_s": 500}, "streams.0.hop_s: Input should be less than or equal to 60 (got 500)"),
        ({"hop_s": "500ms"}, "streams.0.hop_s: Input should be a valid number"),
        ({"modality": "text"}, "streams.0.modality: a stream cannot be 'text'; one of vision"),
        ({"modality": "video"}, "streams.0.modality: a stream cannot be 'video'; one of vision, audio, depth, thermal, imu"),
        ({"modality": "IMU"}, "streams.0.modality: a stream cannot be 'IMU'; one of vision, audio, depth, thermal, imu; did you mean 'imu'?"),
        ({"modality": ["imu"]}, "streams.0.modality: a stream cannot be '['imu']'"),
        ({"source": "/dev/video0"}, "unknown key 'streams.0.source'; if it is the driver's, it belongs under its 'options'"),
        ({"name": "Front"}, "streams.0.name: wants 1 to 64 of a-z"),
        ({"options": ["a"]}, "streams.0.options: Input should be a valid map (got a list)"),
        ({"in_flight": 0}, "streams.0.in_flight: Input should be greater than or equal to 1 (got 0)"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_list_names_its_element(tmp_path, change, line):
    """Breaks if one cannot see which stream is meant."""
    assert refusal(tmp_path, document(streams=[STREAM | change])).startswith(line)


def test_what_is_missing_is_named(tmp_path):
    """Breaks if a missing key shows as something else."""
    without = {k: v for k, v in STREAM.items() if k != "driver"}
    assert refusal(tmp_path, document(streams=[without])) == "'streams.0.driver' is missing"
    nothing = document()
    del nothing["applications"][0]["args"]
    assert refusal(tmp_path, nothing) == "'streams' is missing"


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
        (changed(applications=[]), "'applications' must hold exactly one application"),
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
         "applications.0.deployments names no deployment of ours: 'encodr'; did you mean 'encoder'?"),
        ("- a\n", "wanted a map with 'applications', got list"),
        ("", "wanted a map with 'applications', got NoneType"),
        ("a: [1", "line 1, column 6: cannot be read as YAML: expected ',' or ']'"),
        ("applications: []\napplications: []\n", "line 2, column 1: cannot be read as YAML: 'applications' stands twice"),
        ("a:\n\tb: 1\n", "line 2, column 1: cannot be read as YAML: found character '\\t' that cannot start any token; YAML indents with spaces"),
        ("a: 1\nb: 2026-05-32\n", "cannot be read as YAML: day is out of range"),
        ("a: 1\nb: \0\n", "line 2: cannot be read as YAML: "),
        ("[" * 5000, "cannot be read as YAML: maximum recursion"),
        ("streams: []\n", "'streams' belongs under applications[0].args, as in ray_config.yaml"),
        (changed(encoder={}), "'encoder' belongs under applications[0].args"),
        (changed("applications", 0, streams=[]), "'applications.0.streams' belongs under applications[0].args"),
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
    path = write(tmp_path, document(robt={}, scene={"hop_ms": 1}))
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
    args = load(write(tmp_path, document(publish={"endpoint": endpoint}))).args
    assert args.publish.endpoint == endpoint


@pytest.mark.parametrize("bare", ["127.0.0.1:5570", "localhost:5570", ":5570"])
def test_an_endpoint_without_a_transport_is_tcp(tmp_path, bare):
    """Breaks if the address that every other tool takes has to be spelled ZeroMQ's way."""
    endpoint = load(write(tmp_path, document(publish={"endpoint": bare}))).args.publish.endpoint
    assert endpoint == f"tcp://{'127.0.0.1' if bare.startswith(':') else ''}{bare}"
