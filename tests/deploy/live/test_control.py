"""How another process asks a run to change: real sockets in a runtime folder of the test's own."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from bindstream.errors import BindstreamError, ConfigError
from deploy.live import control
from deploy.live.control import Answer, Control, Outcome, ask, control_path

DONE = Answer([Outcome("front", "restarted", 3, 4), Outcome("encoder", "unchanged")])
Act = Callable[[Path], Answer]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / "run"))


@contextmanager
def run(act: Act, robots: tuple[str, ...] = ("rover",)) -> Iterator[Control]:
    """A run's end, served by a thread as a session does it."""
    stop, end = threading.Event(), Control(robots)

    def serve() -> None:
        while not stop.is_set():
            end.serve(0.05, act)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield end
    finally:
        stop.set()
        thread.join()
        end.close()


def asked(robot: str = "rover", config: str = "a.yaml") -> Answer | None:
    return ask(robot, Path(config), lambda: None)


def test_a_request_is_answered(tmp_path, monkeypatch):
    """Breaks if the file that is meant, or what became of each application, is lost on the way."""
    monkeypatch.chdir(tmp_path)
    seen: list[Path] = []
    with run(lambda path: seen.append(path) or DONE):  # type: ignore[func-returns-value]
        assert asked() == DONE
    assert seen == [tmp_path / "a.yaml"]  # the run may stand in another folder


def test_only_this_user_may_ask():
    """Breaks if another user of the machine can change a robot."""
    with run(lambda _: DONE):
        assert control_path("rover").parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("error", "said", "refused"),
    [
        (ConfigError("a.yaml: one\na.yaml: two"), "a.yaml: one\na.yaml: two", True),
        (ZeroDivisionError("division\nby zero"), "division by zero", False),
        (KeyError(), "KeyError", False),
    ],
)
def test_whatever_goes_wrong_is_told_and_the_run_goes_on(error, said, refused):
    """Breaks if a bad file ends a robot, or leaves who asked without an answer."""

    def act(path: Path) -> Answer:
        if path.name == "bad.yaml":
            raise error
        return DONE

    with run(act):
        assert asked(config="bad.yaml") == Answer([], said, refused)
        assert asked() == DONE


def test_nonsense_does_not_end_the_run():
    """Breaks if one stray message on the socket silences it for good."""
    with run(lambda _: DONE):
        with zmq.Context() as context, context.socket(zmq.REQ) as stranger:
            stranger.setsockopt(zmq.LINGER, 0)
            stranger.connect(f"ipc://{control_path('rover')}")
            stranger.send(b"\xc1 no msgpack")
            assert stranger.poll(5000)
            assert stranger.recv() != b""
            stranger.send_multipart([b"two", b"parts"])
            assert stranger.poll(5000)
            assert b"has one part, got 2" in stranger.recv()
        assert asked() == DONE


def test_each_robot_of_a_run_is_reached_and_none_that_left():
    """Breaks if one that was added cannot be asked for, or one that is gone still answers."""
    with run(lambda _: DONE, ("one", "two")):
        assert (asked("one"), asked("two"), asked("three")) == (DONE, DONE, None)
    end = Control(("one", "two"))
    end.answer_to(("two", "three"))
    assert not control_path("one").exists()
    assert control_path("three").exists()
    end.close()
    assert not list(control_path("two").parent.glob("*.control"))


def test_a_socket_that_is_cleaned_away_comes_back():
    """Breaks if a swept runtime folder makes a run unreachable for the rest of its life."""
    end = Control(("rover",))
    shutil.rmtree(control_path("rover").parent)
    end.answer_to(("rover",))
    thread = threading.Thread(target=end.serve, args=(5.0, lambda _: DONE))
    thread.start()
    assert asked() == DONE
    thread.join()
    end.close()
    assert not control_path("rover").exists()


def test_a_socket_that_a_killed_run_left_is_nobody():
    """Breaks if `apply` waits for minutes for a run that is no more."""
    end = Control(("rover",))
    path = control_path("rover")
    end._context.destroy(linger=0)
    assert path.exists() or path.touch() is None
    assert asked() is None


def test_a_run_that_dies_before_it_answers_is_told_at_once():
    """Breaks if `apply` waits three minutes for a run that was killed meanwhile."""
    end = Control(("rover",))

    def die_when_asked() -> None:
        end._socket.recv()
        end._context.destroy(linger=0)

    dying = threading.Thread(target=die_when_asked)
    dying.start()
    with pytest.raises(BindstreamError, match="robot 'rover': the run ended before it answered"):
        asked()
    dying.join()


def test_a_run_that_does_not_answer_is_told(monkeypatch):
    """Breaks if `apply` waits for ever for a run that hangs, or says nothing meanwhile."""
    monkeypatch.setattr(control, "ANSWER_S", 2.0)
    waited: list[int] = []
    end = Control(("rover",))
    with pytest.raises(BindstreamError, match="robot 'rover': no answer within 2 s"):
        ask("rover", Path("a.yaml"), lambda: waited.append(1))
    assert len(waited) == 2
    end.close()
