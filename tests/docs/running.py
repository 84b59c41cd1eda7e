"""Run a program that may never end: enough lines, or its end, decide."""

from __future__ import annotations

import subprocess
import threading
import time

ENOUGH_LINES = 3
LIMIT_S = 240.0


def output_of(command: list[str], env: dict[str, str], limit_s: float = LIMIT_S) -> list[str]:
    """Start it; return what it printed once it has ended well, or has printed enough.

    Fails when it ends badly, or prints too little within the limit.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    lines: list[str] = []
    errors: list[str] = []
    readers = [
        threading.Thread(target=_collect, args=(process.stdout, lines)),
        threading.Thread(target=_collect, args=(process.stderr, errors)),
    ]
    for reader in readers:
        reader.start()
    until_s = time.monotonic() + limit_s
    while process.poll() is None and len(lines) < ENOUGH_LINES and time.monotonic() < until_s:
        time.sleep(0.05)
    endless = process.poll() is None
    if endless:
        process.kill()
    process.wait()
    for reader in readers:
        reader.join()
    told = "".join(errors)[-2000:]
    if endless:
        assert len(lines) >= ENOUGH_LINES, f"{len(lines)} lines in {limit_s:.0f} s; {told}"
    else:
        assert process.returncode == 0, f"exit code {process.returncode}: {told}"
    return lines


def _collect(stream: object, lines: list[str]) -> None:
    lines.extend(iter(stream.readline, ""))  # type: ignore[attr-defined]
    stream.close()  # type: ignore[attr-defined]
