"""A whole robot for tests: ``bindstream run --json`` as a user starts it, and what it published."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.deploy.configs import document
from tests.patience import slowness

START_S = 240.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def title(process: psutil.Process) -> str:
    """How Ray names a process, without the method that it runs right now."""
    words = " ".join(process.cmdline()).split()
    return words[0].partition(".")[0] if words else ""


def replica_title(part: str) -> str:
    """Of ``encoder``, ``publisher``, ``ingress`` or ``stream-NAME``: application, deployment."""
    app = "robot" if part in ("publisher", "ingress") else part
    deployment = "stream" if part.startswith("stream-") else part
    return f"ray::ServeReplica:{app}:{deployment}"


class Robot:
    """One run. ``records`` are the JSON lines so far; ``endpoint`` and ``http`` its addresses."""

    def __init__(
        self, folder: Path, args: dict[str, Any], env: dict[str, str] | None = None
    ) -> None:
        self.port, self.http_port = free_port(), free_port()
        self.endpoint = f"tcp://127.0.0.1:{self.port}"
        self.http = f"http://127.0.0.1:{self.http_port}"
        self.config = folder / "ray_config.yaml"
        self.config.write_text(yaml.safe_dump(self._document(args)))
        self.records: list[dict[str, Any]] = []
        self.env = {
            **os.environ,
            "BINDSTREAM_RUNTIME_DIR": str(folder / "run"),
            "BINDSTREAM_STATE_DIR": str(folder / "state"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **(env or {}),
        }
        self.options: list[str] = []
        self._log = (folder / "stderr.txt").open("w+")
        self.process: subprocess.Popen[str] | None = None

    def _document(self, args: dict[str, Any]) -> dict[str, Any]:
        """``args`` as of ``configs.document``, or a whole file whose ports become ours."""
        if "applications" in args:
            robot = next(a for a in args["applications"] if a["import_path"] == "deploy.app:robot")
            robot["args"]["publish"] = {"endpoint": self.endpoint}
            return args | {"http_options": {"host": "127.0.0.1", "port": self.http_port}}
        told = {"publish": {"endpoint": self.endpoint}, **args}
        streams = told.pop("streams")
        return {"proxy_location": "HeadOnly", **document(*streams, port=self.http_port, **told)}

    def __enter__(self) -> Robot:
        command = [
            sys.executable,
            "-m",
            "bindstream.command.cli",
            "run",
            str(self.config),
            "--json",
        ]
        command += self.options
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, text=True, env=self.env
        )
        threading.Thread(target=self._collect, daemon=True).start()
        return self

    def __exit__(self, *details: object) -> None:
        if self.process and self.process.poll() is None:
            self.stop()
        if self.process and self.process.stdout:
            self.process.stdout.close()
        self._log.close()

    def stop(self, timeout_s: float = 120) -> int:
        """SIGTERM as an operator would; the exit code. Whatever outlives it fails the test."""
        assert self.process is not None
        below = self.family()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            for process in [*below, psutil.Process(self.process.pid)]:
                process.kill()
            raise
        _, alive = psutil.wait_procs(below, timeout=5 * slowness())
        names = [p.name() for p in alive]
        for process in alive:
            process.kill()
        assert not names, f"left behind: {names}"
        return code

    def family(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def replica(self, deployment: str) -> psutil.Process:
        """The process of a deployment's only replica, by its title."""
        for process in self.family():
            if title(process) == replica_title(deployment):
                return process
        raise LookupError(f"no replica of {deployment}: {[title(p) for p in self.family()]}")

    def wait(
        self,
        what: str,
        condition: Callable[[list[dict[str, Any]]], Any],
        timeout_s: float = START_S,
    ) -> Any:
        """Until the condition on the records is true; its value. Fails with the log's end."""
        assert self.process is not None
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            found = condition(list(self.records))
            if found:
                return found
            assert self.process.poll() is None, f"ended while waiting for {what}: {self.log()}"
            time.sleep(0.1)
        raise AssertionError(f"no {what} in {timeout_s:.0f} s; {self.summary()}; {self.log()}")

    def of(self, kind: str, stream: str | None = None) -> list[dict[str, Any]]:
        return [
            r
            for r in list(self.records)
            if r["kind"] == kind and (stream is None or r.get("stream") == stream)
        ]

    def wait_for(
        self, kind: str, stream: str | None = None, n: int = 1, timeout_s: float = START_S
    ) -> Any:
        return self.wait(
            f"{n} x {kind} of {stream or 'any'}",
            lambda _: len(found := self.of(kind, stream)) >= n and found,
            timeout_s,
        )

    def summary(self) -> str:
        kinds: dict[str, int] = {}
        for r in list(self.records):
            key = f"{r['kind']}/{r.get('stream') or r.get('name') or ''}"
            kinds[key] = kinds.get(key, 0) + 1
        return str(kinds)

    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()[-4000:]

    def _collect(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.records.append(json.loads(line))
