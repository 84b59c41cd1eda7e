"""One run: start Ray, deploy the graph, read the stream as any subscriber would, drain."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from bindstream.subscriber import Subscriber
from bindstream.types import Embedding, Health, Scene
from deploy.config import Config, load
from deploy.preflight import preflight
from deploy.private_ray import PrivateRay
from deploy.records import as_record
from deploy.state import TableState
from deploy.table import render
from deploy.world_truth import WorldTruth

REFRESH_S = 0.25
DRAIN_S = 20.0
HINT = "Ctrl-C drains and stops.  In another terminal: bindstream listen"


class Stopped(Exception):
    """Ctrl-C, SIGTERM or the end of ``--seconds``."""


def live(path: Path | None, *, seconds: float | None, as_json: bool, address: str | None) -> int:
    """0 when vectors came, 1 when none did or the deployment failed, 2 when refused (raised).

    ``address`` None: a Ray of our own, for which ``private_ray.prepare`` was called before ray
    was imported.
    """
    config = load(path)
    ours = address is None  # of another Ray neither devices nor ports can be seen from here
    preflight(config, devices=ours, ports=ours)
    show = _Lines() if as_json else _Table(config.args.robot.name, WorldTruth.of(config.args))
    _hear_signals()
    session = _Session(config, show, seconds)
    ray = _attached(address) if address else _private(session)
    with show:
        try:
            with ray:
                session.run()
        except Stopped:
            pass
    return session.report()


def _hear_signals() -> None:
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)


def _stop(_number: int, _frame: FrameType | None) -> None:
    for one in (signal.SIGTERM, signal.SIGINT):  # a second one does not cut the draining short
        signal.signal(one, signal.SIG_IGN)
    raise Stopped


@contextmanager
def _private(session: _Session) -> Iterator[None]:
    with session.step("start Ray"):
        ray = PrivateRay()
        ray.__enter__()
    _hear_signals()  # Ray has put its own in their place
    session.on_deployed, session.alive = ray.note_pids, ray.alive
    try:
        yield
    finally:
        with session.step("stop Ray"):
            ray.__exit__(None, None, None)


@contextmanager
def _attached(address: str) -> Iterator[None]:
    import ray

    ray.init(address=address, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


class _Session:
    """One run: deploy, read, drain."""

    def __init__(self, config: Config, show: _Lines | _Table, seconds: float | None) -> None:
        self._config = config
        self._show = show
        self._seconds = seconds
        self._begun_s = time.monotonic()
        self._first: dict[str, float] = {}
        self._failure: list[BaseException] = []
        self._received = 0
        self.on_deployed: Callable[[], None] = lambda: None
        self.alive: Callable[[], bool] = lambda: True

    def run(self) -> None:
        """Raises Stopped at the end, whichever way it comes."""
        endpoint = self._config.args.publish.endpoint
        deploying = threading.Thread(target=self._deploy, daemon=True)
        topics = ("embedding/", "scene/", "event/", "health/")
        with Subscriber(endpoint, topics=topics, tombstones=True) as stream:
            deploying.start()
            try:
                self._read(stream)
            finally:
                deploying.join(30)
                self._drain(stream)

    def report(self) -> int:
        """Say how it went; the exit code."""
        for failure in self._failure:
            print(f"bindstream run: the deployment failed: {failure}", file=sys.stderr)
        if not self._received and not self._failure:
            print("bindstream run: no embedding was published", file=sys.stderr)
        return 0 if self._received and not self._failure else 1

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step of the start or the end, and how long it took."""
        start_s = time.monotonic()
        self._show.begin(name)
        try:
            yield
        except BaseException:
            self._show.finish(name, time.monotonic() - start_s, failed=True)
            raise
        self._show.finish(name, time.monotonic() - start_s)

    def _deploy(self) -> None:
        try:
            with self.step("deploy"):
                _deploy_graph(self._config)
            self.on_deployed()
        except BaseException as error:  # the main thread reports it and stops
            self._failure.append(error)

    def _read(self, stream: Subscriber) -> None:
        until_s = float("inf")
        while time.monotonic() < until_s and not self._failure:
            message = stream.receive(REFRESH_S)
            self._show.show(message)
            if isinstance(message, Embedding):
                self._note(message)
                if self._seconds is not None and until_s == float("inf"):
                    until_s = time.monotonic() + self._seconds

    def _note(self, embedding: Embedding) -> None:
        self._received += 1
        if embedding.stream not in self._first:
            after_s = time.monotonic() - self._begun_s
            self._first[embedding.stream] = after_s
            self._show.first(embedding.stream, after_s)

    def _drain(self, stream: Subscriber) -> None:
        from ray import serve

        deleting = threading.Thread(
            target=serve.delete, args=(self._config.application["name"],), daemon=True
        )
        if not self.alive():  # a signal to the whole process group ended Ray with us
            return
        until_s = time.monotonic() + DRAIN_S
        with self.step("drain"):
            deleting.start()
            while deleting.is_alive() and time.monotonic() < until_s:
                self._show.show(stream.receive(0.1))


def _deploy_graph(config: Config) -> None:
    from ray import serve

    from deploy.app import build

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    entry = config.application
    serve.start(
        http_options=config.serve.get("http_options"),
        proxy_location=config.serve.get("proxy_location", "HeadOnly"),
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )
    serve.run(
        build(config.args),
        name=entry.get("name", "default"),
        route_prefix=entry.get("route_prefix", "/"),
    )


class _Lines:
    """``--json``: one object per line; vectors as ``listen --json`` prints them."""

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *details: object) -> None:
        sys.stdout.flush()

    def begin(self, name: str) -> None:
        """A step starts."""

    def finish(self, name: str, seconds: float, failed: bool = False) -> None:
        """A step ended."""
        _print({"kind": "step", "name": name, "seconds": round(seconds, 3), "failed": failed})

    def first(self, stream: str, after_s: float) -> None:
        """A stream's first vector."""
        _print({"kind": "first", "stream": stream, "after_s": round(after_s, 3)})

    def show(self, message: Any) -> None:
        """One message of the stream."""
        if message is not None:
            _print(as_record(message))


def _print(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)


class _Table:
    """The live table, redrawn a few times a second; plain lines where there is no terminal."""

    def __init__(self, robot: str, world: WorldTruth | None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._state = TableState(robot=robot)
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

    def __enter__(self) -> _Table:
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

    def first(self, stream: str, after_s: float) -> None:
        """A stream's first vector."""
        self._state.finish(f"first vector of {stream}", after_s)
        self._say(f"first vector of {stream} after {after_s:.1f} s")

    def show(self, message: Any) -> None:
        """Take a message in; without a terminal, print the table every ten seconds."""
        if message is not None:
            self._state.absorb(message)
        if self._world and isinstance(message, Scene):
            self._state.truth = self._world.words(message.end_ns)
        due = time.monotonic() - self._shown_s > 10
        if not self._console.is_terminal and due and isinstance(message, Health):
            self._shown_s = time.monotonic()
            self._console.print(self._render())

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line)
