"""What the pipeline costs beyond the encoder, beside a bare loop in one process.

    python -m benchmarks.end_to_end [--seconds 60] [--config ray_config.yaml] [--json]

Runs ``bindstream run`` as a user does and subscribes to it from this process; then the same
drivers, windows, encoder and ZeroMQ socket in one bare loop without Ray. Overhead is as DESIGN has
it: received - arrival of the sample that completed the window - encode. CPU is process time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bindstream import Embedding, Subscriber
from deploy.config.file import load, shipped_path

WARM_UP_S = 12.0
IDLE = "ray: an idle replica (ingress)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--config", type=Path, default=shipped_path())
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--huge", action="store_true", help="sound alone, at imagebind_huge's sizes"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.huge:
            args.config = huge_config(Path(folder))
        compare(args)


def compare(args: argparse.Namespace) -> None:
    """Measure both, print both."""
    pipeline = measure_pipeline(args.config, args.seconds)
    bare = measure_bare(args.config, args.seconds)
    sensors_ms = simulator_ms(args.config, min(20.0, args.seconds))
    for result in (pipeline, bare):
        result["cpu_own_ms"] = result["cpu_beyond_encode_ms"] - sensors_ms
    if args.json:
        print(json.dumps({"pipeline": pipeline, "bare": bare}))
    else:
        print(table(pipeline, bare))


def huge_config(folder: Path) -> Path:
    """Random weights of imagebind_huge's audio tower, and a robot that only hears.

    One stream: where several share one encoder they wait for each other, in any pipeline.
    """
    import yaml

    from bindstream.types import Modality
    from encoders.imagebind.config import ImageBindConfig
    from encoders.imagebind.model import ImageBind
    from encoders.weights.saving import save

    config = ImageBindConfig()
    model = ImageBind(config, (Modality.AUDIO,))
    weights = folder / "huge.safetensors"
    said = {"name": "random_huge", "space_id": "random_huge:0", "config": {}, "licence": "none"}
    save(model.state_dict(), weights, said)
    document = yaml.safe_load(shipped_path().read_text())
    apps = {app["name"]: app for app in document["applications"]}
    apps["encoder"]["args"]["weights"] = str(weights)
    apps["robot"]["deployments"][0]["user_config"] = {}
    document["applications"] = [apps["encoder"], apps["ears"], apps["robot"]]
    path = folder / "ray_config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


# the pipeline -----------------------------------------------------------------------------------


def measure_pipeline(config: Path, seconds: float) -> dict[str, Any]:
    """Overhead, CPU and memory of a running robot, once every stream has delivered."""
    with running(config) as (process, endpoint, started):
        time.sleep(WARM_UP_S)
        before = cpu_by_role(process)
        seen = list(received(endpoint, seconds))
        after = cpu_by_role(process)
        memory = memory_mb(process)
    spent = {role: after[role] - before.get(role, 0.0) for role in after}
    result = figures(seen)
    encode_s = sum(e.encode_ms for e in seen) / 1e3
    ours = sum(s for role, s in spent.items() if role.startswith("ours"))
    replicas = len(load(config).streams) + len(load(config).encoders) + 1
    idle = spent[IDLE] * replicas  # what as many replicas cost that do nothing
    result["cpu_beyond_encode_ms"] = (ours - encode_s - idle) / len(seen) * 1e3
    result["cpu_with_idle_replicas_ms"] = (ours - encode_s) / len(seen) * 1e3
    result["cpu_by_role_percent"] = {r: s / seconds * 100 for r, s in sorted(spent.items())}
    result["first_vector_s"] = started
    result["memory_mb"] = memory
    return result


@contextmanager
def running(config: Path) -> Iterator[tuple[psutil.Process, str, dict[str, float]]]:
    """``bindstream run`` on the config; yields once every stream has delivered."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bindstream.command.cli", "run", str(config), "--json"]
        log = (Path(folder) / "log").open("w")
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            started = first_vectors(child, {s.name for s in load(config).streams})
            yield psutil.Process(child.pid), load(config).robots[0].args.publish.endpoint, started
        finally:
            child.terminate()
            child.communicate(timeout=60)
            log.close()


def first_vectors(child: subprocess.Popen[str], wanted: set[str]) -> dict[str, float]:
    """Seconds from the command's start to each stream's first vector."""
    started: dict[str, float] = {}
    begin_s = time.monotonic()
    assert child.stdout is not None
    for line in child.stdout:
        record = json.loads(line)
        if record["kind"] == "embedding" and record["stream"] not in started:
            started[record["stream"]] = time.monotonic() - begin_s
        if started.keys() >= wanted:
            break
    drain(child)
    return started


def drain(child: subprocess.Popen[str]) -> None:
    """Keep the child's pipe empty without spending this process's time on JSON."""
    assert child.stdout is not None
    stream = child.stdout

    def read_on() -> None:
        with contextlib.suppress(ValueError):  # closed at the end, while it waits
            for _ in stream:
                pass

    threading.Thread(target=read_on, daemon=True).start()


def received(endpoint: str, seconds: float) -> Iterator[Embedding]:
    """What a subscriber gets in that time."""
    until_s = time.monotonic() + seconds
    with Subscriber(endpoint, topics=["embedding/"]) as reader:
        while time.monotonic() < until_s:
            message = reader.receive(0.1)
            if isinstance(message, Embedding):
                yield message


def role(process: psutil.Process, root: psutil.Process) -> str:
    """Who pays: our deployments, the table's process, or Ray itself."""
    words = " ".join(process.cmdline()).split()
    name = words[0].partition(".")[0] if words else ""
    if process.pid == root.pid:
        return "run (the live table)"
    if name.endswith(":stream"):
        return "ours: streams"
    if name.startswith("ray::ServeReplica:"):
        deployment = name.rpartition(":")[2]
        return IDLE if deployment == "ingress" else f"ours: {deployment}"
    return "ray: head and Serve"


def family(root: psutil.Process) -> list[psutil.Process]:
    """The command and everything below it."""
    below = [root, *root.children(recursive=True)]
    return [p for p in below if p.status() != psutil.STATUS_ZOMBIE]


def cpu_by_role(root: psutil.Process) -> dict[str, float]:
    """Seconds on a CPU so far."""
    total: dict[str, float] = {}
    for process in family(root):
        key = role(process, root)
        total[key] = total.get(key, 0.0) + on_cpu_s(process.pid)
    return total


def on_cpu_s(pid: int) -> float:
    """Time on a CPU so far, by the scheduler's own clock (user and system time come in ticks)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def memory_mb(root: psutil.Process) -> dict[str, float]:
    """Unique memory (USS) per role, and how many processes."""
    total: dict[str, float] = {}
    for process in family(root):
        key = role(process, root)
        total[key] = total.get(key, 0.0) + process.memory_full_info().uss / 2**20
    return {key: round(mb) for key, mb in sorted(total.items())}


# the bare loop ----------------------------------------------------------------------------------


def measure_bare(config: Path, seconds: float) -> dict[str, Any]:
    """The same in one process and one thread, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--bare", str(config), str(seconds)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=root)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def bare_loop(config: Path, seconds: float) -> None:
    """Read five drivers in turn, cut, encode, publish, receive; print the figures as JSON."""
    import torch
    import zmq

    from bindstream import wire
    from bindstream.types import Stamped, Window
    from deploy.config.plans import stream_plan
    from encoders.loading import load_encoder
    from pipeline.windows.windower import make_windower
    from sensors import load as load_driver

    torch.set_num_threads(1)
    args = load(config)
    first = next(iter(args.encoders.values()))
    encoder = load_encoder(first.kind, first.weights, device=first.device, dtype=first.dtype)
    streams = []
    for stream in args.streams:
        plan = stream_plan(stream)
        driver = load_driver(plan.driver)(plan.stream, **plan.options)
        driver.open(time.time_ns)
        form = encoder.windows[plan.modality]
        of = Stamped(
            robot=plan.robot, stream=plan.stream, modality=plan.modality, epoch=1, seq=0,
            start_ns=0, end_ns=0,
        )  # fmt: skip
        windower = make_windower(of, form, hop_s=plan.hop_s, rate_hz=driver.rate_hz)
        streams.append((driver, windower))
    socket = zmq.Context.instance().socket(zmq.XPUB)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    seen: list[Embedding] = []
    begin_s, begin_cpu = time.monotonic(), time.process_time()
    with Subscriber(f"tcp://127.0.0.1:{port}", topics=["embedding/"]) as reader:
        while time.monotonic() < begin_s + WARM_UP_S + seconds:
            if not seen and time.monotonic() < begin_s + WARM_UP_S:
                begin_cpu = time.process_time()
            for driver, windower in streams:
                for sample in driver.read(0.002):
                    for cut in windower.push(sample):
                        if isinstance(cut, Window):
                            message = encoded(cut, encoder)
                            socket.send_multipart(wire.encode(message))
            message = reader.receive(0)
            if isinstance(message, Embedding) and time.monotonic() > begin_s + WARM_UP_S:
                seen.append(message)
    result = figures(seen)
    encode_s = sum(e.encode_ms for e in seen) / 1e3
    spent = time.process_time() - begin_cpu
    result["cpu_beyond_encode_ms"] = (spent - encode_s) / len(seen) * 1e3
    print(json.dumps(result))


def simulator_ms(config: Path, seconds: float) -> float:
    """What the drivers alone cost, per embedding: the simulated world is drawn by them."""
    from sensors import load as load_driver

    args = load(config)
    drivers = [load_driver(s.driver)(s.name, **s.options) for s in args.streams]
    for driver in drivers:
        driver.open(time.time_ns)
    begin_cpu, until_s = time.process_time(), time.monotonic() + seconds
    while time.monotonic() < until_s:
        for driver in drivers:
            driver.read(0.002)
    embeddings = seconds * sum(1 / s.hop for s in args.streams)
    return (time.process_time() - begin_cpu) / embeddings * 1e3


def encoded(cut: Any, encoder: Any) -> Embedding:
    """One window through the encoder, as a message."""
    windowed_ns, start_s = time.time_ns(), time.perf_counter()
    vector = encoder.encode([cut])[0]
    encode_ms = (time.perf_counter() - start_s) * 1e3
    done_ns = time.time_ns()
    return Embedding(
        **cut.stamp(), n_missing=cut.n_missing, captured_ns=cut.captured_ns,
        windowed_ns=windowed_ns, encoded_ns=done_ns, published_ns=done_ns, queue_ms=0.0,
        encode_ms=encode_ms, space_id=encoder.space_id, encoder_id=encoder.encoder_id,
        vector=vector,
    )  # fmt: skip


# the table --------------------------------------------------------------------------------------


def figures(seen: list[Embedding]) -> dict[str, Any]:
    """Quantiles of overhead and encode over what was received."""
    overhead = [(e.received_ns - e.captured_ns) / 1e6 - e.encode_ms for e in seen]
    encode = [e.encode_ms for e in seen]
    whole = [(e.received_ns - e.captured_ns) / 1e6 for e in seen]
    return {
        "embeddings": len(seen),
        "overhead_p50_ms": float(np.percentile(overhead, 50)),
        "overhead_p99_ms": float(np.percentile(overhead, 99)),
        "overhead_max_ms": float(max(overhead)),
        "encode_p50_ms": float(np.percentile(encode, 50)),
        "whole_p50_ms": float(np.percentile(whole, 50)),
    }


ROWS = (
    ("embeddings measured", "embeddings", "{:.0f}"),
    ("overhead p50, ms", "overhead_p50_ms", "{:.2f}"),
    ("overhead p99, ms", "overhead_p99_ms", "{:.2f}"),
    ("overhead max, ms", "overhead_max_ms", "{:.1f}"),
    ("encode p50, ms", "encode_p50_ms", "{:.2f}"),
    ("sample to subscriber p50, ms", "whole_p50_ms", "{:.2f}"),
    ("CPU beyond encode, idle Ray apart, ms per embedding", "cpu_beyond_encode_ms", "{:.1f}"),
    ("the same without drawing the simulated world", "cpu_own_ms", "{:.1f}"),
)


def table(pipeline: dict[str, Any], bare: dict[str, Any]) -> str:
    """Markdown, as docs/benchmarks.md holds it."""
    lines = ["| | bindstream | bare loop | ratio |", "|---|---|---|---|"]
    for title, key, form in ROWS:
        a, b = pipeline[key], bare[key]
        ratio = f"{a / b:.2f}" if b else ""
        lines.append(f"| {title} | {form.format(a)} | {form.format(b)} | {ratio} |")
    with_idle = pipeline["cpu_with_idle_replicas_ms"]
    lines.append(f"| the same with Ray's cost of idle replicas | {with_idle:.1f} | | |")
    firsts = pipeline["first_vector_s"]
    lines.append(f"| first vector after the command, s | {min(firsts.values()):.1f} | | |")
    lines.append(f"| every stream's first vector, s | {max(firsts.values()):.1f} | | |")
    lines.append("\n| who | % of one core | USS, MB |\n|---|---|---|")
    for name, percent in pipeline["cpu_by_role_percent"].items():
        lines.append(f"| {name} | {percent:.1f} | {pipeline['memory_mb'].get(name, 0)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare_loop(Path(sys.argv[2]), float(sys.argv[3]))
    else:
        main()
