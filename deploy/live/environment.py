"""The environment that a robot's processes inherit: chosen, not whatever the shell happens to hold.

Pure, standard library alone: ``run`` applies it before ray is imported, ``doctor`` tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "grpc_proxy")
"""Compared without case: curl reads some small, Python both, gRPC small ones alone."""

LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.2", "::1")
"""Where a robot's own parts speak to each other; its private Ray stands at 127.0.0.2."""

THREADS = (
    *("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "OMP_PROC_BIND", "OMP_PLACES"),
    *("GOMP_CPU_AFFINITY", "KMP_AFFINITY", "KMP_BLOCKTIME", "MKL_NUM_THREADS", "MKL_DYNAMIC"),
    *("OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
)
"""Meant for one program that computes; ten processes of a robot would share cores by them, or
(``OMP_PROC_BIND``) all stand on core 0."""

PYTHON = (
    *("PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG"),
    *("PYTHONTRACEMALLOC", "PYTHONMALLOC", "PYTHONPROFILEIMPORTTIME", "PYTHONSTARTUP"),
)
"""For whoever debugs one program. In Ray's workers a warning would be an error at import."""

SET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
    "RAY_DEDUP_LOGS": "0",
    "RAY_event_stats_print_interval_ms": "0",  # its own statistics: 9 MB/h of logs under /tmp
    "RAY_ROTATION_MAX_BYTES": str(4 << 20),  # of each process's log, and one older
    "RAY_ROTATION_BACKUP_COUNT": "1",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` each worker would start through uv
    "RAY_enable_metrics_collection": "0",  # its port would answer the whole network
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # 15 by default: sensors would starve beside any other program
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "0.5",  # 10 by default; the third failure counts
    "OPENCV_FOR_THREADS_NUM": "1",  # one sensor's small frames are not worth a pool of threads
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "grpc_proxy": "",  # empty: gRPC takes no proxy, whatever http_proxy says
}


def choose(environ: MutableMapping[str, str]) -> None:
    """Change the environment of this process to what a private Ray and its workers shall see."""
    for name in dropped(environ):
        del environ[name]
    environ.update(SET)
    if proxies(environ):
        beside = without_proxy(environ)
        environ["no_proxy"] = environ["NO_PROXY"] = beside


def dropped(environ: Mapping[str, str]) -> list[str]:
    """The variables found that a run does not pass on. A run is the same in every shell, so none
    of Ray's own is: one would join another Ray, another may break the start."""
    unwanted = {*THREADS, *PYTHON}
    return sorted(name for name in environ if name.startswith("RAY_") or name in unwanted)


def proxies(environ: Mapping[str, str]) -> list[str]:
    """The proxy variables that are set to something."""
    return sorted(n for n, value in environ.items() if n.lower() in PROXIES and value)


def without_proxy(environ: Mapping[str, str]) -> str:
    """Both spellings of no_proxy as one, and this machine; a lone ``*`` (no proxy) stays."""
    given = f"{environ.get('no_proxy', '')},{environ.get('NO_PROXY', '')}".split(",")
    hosts = list(dict.fromkeys(host.strip() for host in given if host.strip()))
    if "*" in hosts:
        return "*"
    return ",".join(dict.fromkeys([*hosts, *LOOPBACK]))


def remarks(environ: Mapping[str, str]) -> Iterator[str]:
    """What stands in this environment that somebody may wonder about, a line each."""
    if through := proxies(environ):
        yield (
            f"{', '.join(through)} set: the robot's own parts do not use a proxy, downloads and "
            "cameras at http:// do: name a camera's host in no_proxy"
        )
    if foreign := [name for name in dropped(environ) if name.startswith("RAY_")]:
        yield f"{', '.join(foreign)} set: 'run' starts without, 'ray' and 'serve' obey"
    if debugging := [name for name in PYTHON if name in environ]:
        yield f"{', '.join(debugging)} set: passed on to no process of a robot"
    if threads := [f"{name}={environ[name]}" for name in THREADS if name in environ]:
        yield f"{', '.join(threads)}: 'run' sets its own; an encoder's 'threads' counts"
    if preloaded := environ.get("LD_PRELOAD"):
        yield f"LD_PRELOAD={preloaded}: every process of a robot loads it too"
    if "CUDA_VISIBLE_DEVICES" in environ:
        chosen = environ["CUDA_VISIBLE_DEVICES"]
        yield f"CUDA_VISIBLE_DEVICES={chosen}: encoders see " + (
            "these GPUs alone" if chosen not in ("", "-1") else "no GPU"
        )
