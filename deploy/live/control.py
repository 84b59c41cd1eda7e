"""How another program asks a `bindstream run` to change: a socket in the runtime directory.

One user's own two processes on one machine (the folder is 0700), msgpack both ways, nothing that
runs code. A request names a configuration file; the answer says what became of each application.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import msgspec
import zmq
from zmq.utils.monitor import recv_monitor_message

from bindstream.errors import BindstreamError, ConfigError
from bindstream.runtime_dir import runtime_dir

REACHED_MS = 2000
_LINE = zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED
ANSWER_S = 180.0
"""An encoder may load for minutes before it stands."""


class Apply(msgspec.Struct, frozen=True, tag=True):
    """Be as this file says. ``config`` is an absolute path."""

    config: str


class Outcome(msgspec.Struct, frozen=True):
    """One application: ``kind`` as in ``changes``; epochs of a stream before and after, else 0."""

    app: str
    kind: str
    epoch_before: int = 0
    epoch_after: int = 0


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What was done, and what went wrong ('' for nothing). ``refused``: nothing was touched."""

    outcomes: list[Outcome]
    problem: str = ""
    refused: bool = False


_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Apply).decode
_answer = msgspec.msgpack.Decoder(Answer).decode


def control_path(robot: str) -> Path:
    """The socket's file of the run that holds a robot."""
    return runtime_dir() / f"{robot}.control"


class Control:
    """The run's end: one socket for each robot that it holds."""

    def __init__(self, robots: Iterable[str]) -> None:
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 1 << 16)
        self._paths: set[Path] = set()
        self.answer_to(robots)

    def answer_to(self, robots: Iterable[str]) -> None:
        """From now on be reached by these names, and by no others; again, where somebody cleaned
        a socket's file away."""
        wanted = set(map(control_path, robots))
        for path in [path for path in self._paths if not path.exists()]:
            self._paths.remove(path)
            self._socket.unbind(f"ipc://{path}")
        for path in wanted - self._paths:
            self._socket.bind(f"ipc://{path}")
        for path in self._paths - wanted:
            self._socket.unbind(f"ipc://{path}")
            path.unlink(missing_ok=True)
        self._paths = wanted

    def serve(self, timeout_s: float, act: Callable[[Path], Answer]) -> None:
        """Wait for one request at most so long; answer it."""
        if not self._socket.poll(int(timeout_s * 1000)):
            return
        raw, *more = self._socket.recv_multipart()  # all of it, or no answer can be sent
        try:
            if more:
                raise ValueError(f"a request has one part, got {1 + len(more)}")
            answer = act(Path(_request(raw).config))
        except Exception as error:  # whatever it was, whoever asked is told, and the run goes on
            said = " ".join(str(error).split()) if not isinstance(error, BindstreamError) else error
            problem = str(said) or type(error).__name__
            answer = Answer([], problem, refused=isinstance(error, ConfigError))
        self._socket.send(_encode(answer))

    def close(self) -> None:
        """Nobody is served any more."""
        self._context.destroy(linger=500)
        for path in self._paths:
            path.unlink(missing_ok=True)


def ask(robot: str, config: Path, waiting: Callable[[], None]) -> Answer | None:
    """Ask the run that holds a robot; None where there is none. ``waiting`` is called each second.

    Raises BindstreamError when it does not answer in ``ANSWER_S``, or dies before.
    """
    if not control_path(robot).exists():
        return None
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        with closing(socket.get_monitor_socket(_LINE)) as monitor:
            socket.connect(f"ipc://{control_path(robot)}")
            reached = monitor.poll(REACHED_MS)
            if not reached:  # a file that a killed run left
                socket.disable_monitor()
                return None
            recv_monitor_message(monitor)
            socket.send(_encode(Apply(str(config.absolute()))))
            try:
                _await_answer(robot, socket, monitor, waiting)
                return _answer(socket.recv())
            finally:
                socket.disable_monitor()


def _await_answer(
    robot: str, socket: zmq.Socket[bytes], monitor: zmq.Socket[bytes], waiting: Callable[[], None]
) -> None:
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(monitor, zmq.POLLIN)
    for _ in range(int(ANSWER_S)):
        ready = dict(poller.poll(1000))
        if socket in ready:
            return
        if monitor in ready:  # it left, and not without an answer that is on its way
            if socket.poll(0):
                return
            raise BindstreamError(f"robot '{robot}': the run ended before it answered")
        waiting()
    raise BindstreamError(f"robot '{robot}': no answer within {ANSWER_S:.0f} s")
