"""A Ray as an operator starts it: ``ray start --head``, ``serve deploy``, with a token."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tests.system.robot import free_port, title

BIN = Path(sys.executable).parent


class Cluster:
    """A head of our own in ``folder``; ended by its own pids. ``env`` is the operator's shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.dashboard, self.gcs = free_port(), free_port()
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DASHBOARD_ADDRESS": f"http://127.0.0.1:{self.dashboard}",
            "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{self.dashboard}",
            "BINDSTREAM_RUNTIME_DIR": str(folder / "run"),
            "BINDSTREAM_STATE_DIR": str(folder / "state"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "RAY_worker_niceness": "0",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        self._temp = Path(f"/tmp/bt-{secrets.token_hex(3)}")
        self.head: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        command = [
            BIN / "ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1",
            f"--port={self.gcs}", "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.dashboard}", f"--temp-dir={self._temp}",
            f"--ray-client-server-port={free_port()}", "--num-cpus=2",
            "--object-store-memory=134217728",
            f"--dashboard-agent-listen-port={free_port()}",
        ]  # fmt: skip
        with (self.folder / "head.txt").open("w") as log:
            self.head = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        try:
            self._until(lambda: self.serve("status").returncode == 0, 240, "a head")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        assert self.head is not None
        below = self.family()
        self.head.terminate()
        try:
            self.head.wait(60)
        except subprocess.TimeoutExpired:
            self.head.kill()
            self.head.wait(60)
        _, alive = psutil.wait_procs(below, timeout=5)
        for process in alive:
            process.kill()

    def family(self) -> list[psutil.Process]:
        """Every process of this cluster, also those that Ray has let go of."""
        mark = str(self._temp)
        assert self.head is not None
        below = psutil.Process(self.head.pid).children(recursive=True)
        known = {p.pid for p in below}
        for process in psutil.process_iter(["cmdline"]):
            if process.pid not in known and mark in " ".join(process.info["cmdline"] or []):
                below.append(process)
        return [p for p in below if p.pid != self.head.pid]

    def replicas(self) -> dict[str, psutil.Process]:
        """A stream's application, or ``application:deployment`` -> process."""
        found = {title(p): p for p in self.family() if p.is_running()}
        parts = {t: t.removeprefix("ray::ServeReplica:").split(":") for t in found if ":" in t}
        named = {
            t: part[0] if part[-1] == "stream" else ":".join(part) for t, part in parts.items()
        }
        return {named[t]: found[t] for t in parts if t.startswith("ray::ServeReplica:")}

    def serve(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / "serve", *words], env=self.env, capture_output=True, text=True, timeout=180
        )

    def applications(self) -> dict[str, Any]:
        """What ``serve status`` says of each application."""
        import yaml

        said = self.serve("status")
        status = yaml.safe_load(said.stdout) if said.returncode == 0 else {}
        found: dict[str, Any] = (status or {}).get("applications", {})
        return found

    def until_running(self, timeout_s: float = 240) -> None:
        self._until(self._all_run, timeout_s, "RUNNING")

    def _all_run(self) -> bool:
        states = {app["status"] for app in self.applications().values()}
        return states == {"RUNNING"}

    def _until(self, condition: Any, timeout_s: float, what: str) -> None:
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            if condition():
                return
            time.sleep(0.5)
        log = (self.folder / "head.txt").read_text()[-2000:]
        state = json.dumps(self.applications())[:3000]
        raise AssertionError(f"no {what} in {timeout_s} s; {state}; {log}")
