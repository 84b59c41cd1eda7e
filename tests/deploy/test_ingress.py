"""The HTTP ingress as the ASGI application that Serve runs, behind stand-ins for its handles."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.exceptions import RayActorError, RayTaskError
from ray.serve import context
from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve.exceptions import BackPressureError, RequestCancelledError

from bindstream.errors import InvalidInput
from deploy.guard import MAX_BODY_BYTES
from deploy.ingress import Ingress, app

HOST = (b"host", b"127.0.0.1:8000")


class Handle:
    """Stands for a Serve handle: each method answers as told."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        for name, answer in answers.items():
            setattr(self, name, SimpleNamespace(remote=self._remote(name, answer)))

    def options(self, **_: Any) -> Handle:
        return self

    def _remote(self, name: str, answer: Any) -> Any:
        async def remote(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return answer(*arguments) if callable(answer) else answer

        return remote


class Robot:
    """An ingress in front of handles; ``ask`` is one HTTP request to it."""

    def __init__(self) -> None:
        self.publisher = Handle(
            health={"status": "ok", "streams": {}},
            status={"robot": "rover", "streams": {"front": {"app": "camera-one"}}},
        )
        self.speaker = Handle(
            encode_text=lambda texts, _: np.full((len(texts), 4), 0.5, np.float32),
            describe={"space_id": "toy:0", "dim": 4},
        )
        self.front = Handle(pause="paused", resume="opening")
        ours = Ingress.__bases__[0]  # without what Serve wraps around it in a replica
        self.ingress = ours(self.publisher, self.speaker)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | list[bytes] = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (HOST,),
    ) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [*headers, (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 8000),
        }
        parts = [body] if isinstance(body, bytes) else body
        incoming = [
            {"type": "http.request", "body": part, "more_body": i < len(parts) - 1}
            for i, part in enumerate(parts)
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        text = b"".join(m.get("body", b"") for m in sent[1:])
        return sent[0]["status"], json.loads(text) if text else None


@pytest.fixture
def robot(monkeypatch):
    made = Robot()
    streams = {("stream", "camera-one"): made.front}
    ours = type(made.ingress)._stream.__globals__  # Serve keeps a copy of what it wrapped
    monkeypatch.setitem(ours, "DeploymentHandle", lambda *names: streams[names])
    monkeypatch.setattr(context, "_INTERNAL_REPLICA_CONTEXT", None)
    replica = ReplicaID("r", DeploymentID("ingress", "bindstream"))
    context._set_internal_replica_context(
        replica_id=replica,
        servable_object=made.ingress,
        _deployment_config=None,
        rank=None,
        world_size=1,
    )
    return made


def test_healthz_is_503_only_when_nothing_is_delivered(robot):
    """Breaks if a supervisor cannot tell a robot that works from one that does not."""
    assert robot.ask("GET", "/healthz") == (200, {"status": "ok", "streams": {}})
    robot.publisher.health = Handle(health={"status": "degraded", "streams": {"a": "x"}}).health
    assert robot.ask("GET", "/healthz")[0] == 200
    robot.publisher.health = Handle(health={"status": "down", "streams": {"a": "x"}}).health
    status, body = robot.ask("GET", "/healthz")
    assert status == 503
    assert body["streams"] == {"a": "x"}


def test_status_is_the_publishers(robot):
    """Breaks if HTTP invents a status of its own."""
    assert robot.ask("GET", "/status") == (
        200,
        {"robot": "rover", "streams": {"front": {"app": "camera-one"}}},
    )


def test_words_become_vectors_of_a_named_space(robot):
    """Breaks if vectors come without the space that says what they may be compared with."""
    status, body = robot.ask("POST", "/text", b'{"texts": ["a dog", "a cat"]}')
    assert status == 200
    assert body == {"space_id": "toy:0", "dim": 4, "vectors": [[0.5] * 4] * 2}
    status, body = robot.ask("GET", "/text?q=a+dog&q=a+cat")
    assert status == 200
    assert robot.speaker.calls[-2] == ("encode_text", ["a dog", "a cat"], None)
    assert robot.ask("GET", "/text?q=a+dog&modality=audio")[0] == 200
    assert robot.speaker.calls[-2] == ("encode_text", ["a dog"], "audio")
    assert robot.ask("POST", "/text", b'{"texts": ["a"], "modality": "imu"}')[0] == 200
    assert robot.speaker.calls[-2] == ("encode_text", ["a"], "imu")
    status, body = robot.ask("GET", "/text?q=a+dog&modality=smell")
    assert status == 400
    assert body["detail"].startswith("modality: input should be 'vision', 'audio'")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is missing"),
        (b"{", "the body is not JSON"),
        (b"{}", "texts is missing"),
        (b'{"texts": []}', "texts: list should have at least 1 item"),
        (b'{"texts": "dog"}', "texts: input should be a valid list"),
        (json.dumps({"texts": ["x" * 1001]}).encode(), "texts.0: string should have at most 1000"),
        (json.dumps({"texts": ["x"] * 257}).encode(), "texts: list should have at most 256 items"),
        (rb'{"texts": ["a dog", "\ud83d"]}', "texts.1: holds half of a surrogate pair"),
        (rb'{"texts": ["\udc36 a dog"]}', "texts.0: holds half of a surrogate pair"),
        (b'{"texts": [null]}', "texts.0: input should be a valid string"),
    ],
)
def test_what_is_no_request_is_400_in_a_sentence(robot, body, said):
    """Breaks if one request can hand the encoder anything, or more than it can take, or if a
    person reads pydantic's list instead of what to send."""
    status, answer = robot.ask("POST", "/text", body)
    assert status == 400
    assert answer["detail"].startswith(said)
    assert "want /text?q=a+dog" in answer["detail"]
    assert robot.speaker.calls == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "q is missing"),
        ("?query=dog", "q is missing"),
        ("?" + "&".join(["q=x"] * 17), "q: list should have at most 16 items"),
    ],
)
def test_a_question_without_words_is_400_in_a_sentence(robot, query, said):
    """Breaks if whoever opens /text in a browser cannot read what it wants."""
    status, answer = robot.ask("GET", f"/text{query}")
    assert status == 400
    assert answer["detail"].startswith(said)
    assert "want /text?q=a+dog" in answer["detail"]
    assert robot.speaker.calls == []


def test_a_body_in_another_encoding_is_400(robot):
    """Breaks if bytes that are not UTF-8 are a bug of ours."""
    assert robot.ask("POST", "/text", b'{"texts": ["\xff"]}')[0] == 400


def test_bytes_that_are_no_letters_do_not_break_a_question(robot):
    """Breaks if %ED%A0%BD (half a surrogate pair) in a URL ends in a 500."""
    status, _ = robot.ask("GET", "/text?q=%ED%A0%BD+dog")
    assert status in (200, 400)
    for _, texts, _ in [call for call in robot.speaker.calls if call[0] == "encode_text"]:
        texts[0].encode()


def wrapped(cause: Exception) -> Exception:
    """As Ray hands it to the caller of a replica that raised it."""
    told: Exception = RayTaskError("encode_text", "Traceback ...", cause).as_instanceof_cause()
    return told


def fail_with(robot: Robot, error: Exception) -> tuple[int, Any]:
    def encode_text(*_: Any) -> None:
        raise error

    robot.speaker = Handle(encode_text=encode_text)
    robot.ingress._speaker = robot.speaker
    return robot.ask("POST", "/text", b'{"texts": ["a dog"]}')


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BackPressureError(5, 4), "max_queued_requests=4"),
        (wrapped(BackPressureError(5, 4)), "max_queued_requests=4"),
        (RequestCancelledError("7"), "Request 7 was cancelled."),
        (TimeoutError(), "TimeoutError"),
        (wrapped(TimeoutError("no answer in 2 s")), "no answer in 2 s"),
        (RayActorError(), "actor"),
    ],
    ids=["full", "full further on", "cancelled", "timeout", "timeout in the replica", "died"],
)
def test_a_busy_encoder_is_503_with_its_reason(robot, error, said):
    """Breaks if a client cannot tell "try again" from a bug of the robot's."""
    status, body = fail_with(robot, error)
    assert status == 503
    assert said in body["detail"]
    assert "\n" not in body["detail"]


def test_words_that_the_encoder_refuses_are_422(robot):
    """Breaks if a client is told to try again with what can never work, or reads a traceback."""
    told = fail_with(robot, wrapped(InvalidInput("a text of 1000 tokens: at most 76")))
    assert told == (422, {"detail": "a text of 1000 tokens: at most 76"})


def test_a_bug_stays_a_500(robot):
    """Breaks if every failure is excused as a busy robot."""
    with pytest.raises(ValueError, match="a bug"):  # what Serve answers with 500
        fail_with(robot, ValueError("a bug"))


def test_pause_and_resume_reach_the_stream(robot):
    """Breaks if privacy is not asked for of the very application that the publisher names."""
    assert robot.ask("POST", "/streams/front/pause") == (
        200,
        {"stream": "front", "state": "paused"},
    )
    assert robot.ask("POST", "/streams/front/resume")[1]["state"] == "opening"
    assert robot.front.calls == [("pause",), ("resume",)]
    status, body = robot.ask("POST", "/streams/rear/pause")
    assert status == 404
    assert body["detail"] == "no stream 'rear'; known: front"
    assert robot.ask("GET", "/streams/front/pause")[0] == 405


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "localhost:8000",
        "LOCALHOST",
        "[::1]:8000",
        "[::1]",
        "127.0.0.5",
    ],
)
def test_loopback_hosts_are_served(robot, host):
    """Breaks if an address that a robot developer types is refused."""
    assert robot.ask("GET", "/status", headers=((b"host", host.encode()),))[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example",
     "127.0.0.1:8000@evil", "192.168.1.5", "", "localhost:8000\n", "[::1]evil", "::1"],
)  # fmt: skip
def test_foreign_hosts_are_refused(robot, host):
    """Breaks if a name that an attacker points to 127.0.0.1 (DNS rebinding) reads the robot."""
    assert robot.ask("GET", "/status", headers=((b"host", host.encode()),))[0] == 400
    assert robot.publisher.calls == []


def test_a_host_must_be_stated_once(robot):
    """Breaks if a request without Host, or with two, slips past the check."""
    assert robot.ask("GET", "/status", headers=())[0] == 400
    assert robot.ask("GET", "/status", headers=(HOST, (b"Host", b"evil.example")))[0] == 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1:8000", 200),
        ("https://[::1]", 200),
        ("null", 403),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://evil.example#127.0.0.1", 403),
        ("file://127.0.0.1", 403),
        ("", 403),
    ],
)
def test_pages_from_elsewhere_cannot_pause_a_camera(robot, origin, status):
    """Breaks if a page in the robot developer's browser can act on the robot."""
    headers = (HOST, (b"origin", origin.encode()))
    assert robot.ask("POST", "/streams/front/pause", headers=headers)[0] == status
    assert bool(robot.front.calls) == (status == 200)


def test_no_answer_invites_other_origins(robot):
    """Breaks if a CORS header lets pages read answers, or a page of a CDN is served."""
    for path in ("/docs", "/redoc"):
        assert robot.ask("GET", path)[0] == 404
    headers = (
        HOST,
        (b"origin", b"http://localhost:1"),
        (b"access-control-request-method", b"POST"),
    )
    assert robot.ask("OPTIONS", "/text", headers=headers)[0] == 405


def test_large_bodies_are_refused_whatever_their_headers_say(robot):
    """Breaks if one request can fill the ingress's memory."""
    stated = (HOST, (b"content-length", str(MAX_BODY_BYTES + 1).encode()))
    assert robot.ask("POST", "/text", b"", headers=stated)[0] == 413
    for n in (b"-1", b"1e9", b""):
        assert robot.ask("POST", "/text", b"", headers=(HOST, (b"content-length", n)))[0] == 413
    chunks = [b" " * 1024] * (MAX_BODY_BYTES // 1024 + 1)
    assert robot.ask("POST", "/text", chunks)[0] == 413
    assert robot.speaker.calls == []


def test_a_body_of_just_the_limit_in_pieces_is_served(robot):
    """Breaks if reading the body ahead loses a part of it."""
    text = b'{"texts": ["a dog"]}'
    padding = b" " * (MAX_BODY_BYTES - len(text))
    assert robot.ask("POST", "/text", [text[:7], text[7:], padding])[0] == 200
    assert robot.speaker.calls[0] == ("encode_text", ["a dog"], None)


def test_websockets_are_refused(robot):
    """Breaks if another protocol passes by the checks."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/status", "headers": [HOST], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["type"] == "websocket.close"
