"""What a robot's processes inherit, and what doctor says of a shell."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deploy.live.environment import LOOPBACK, SET, choose, proxies, remarks

PROXY = "http://proxy.example:3128"
UNLIKELY = {
    "RAY_ADDRESS": "10.0.0.1:6379",
    "RAY_NAMESPACE": "theirs",
    "RAY_SERVE_LOG_ENCODING": "nonsense",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "1",
    "OMP_PROC_BIND": "true",
    "OMP_NUM_THREADS": "64",
    "MKL_NUM_THREADS": "64",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONINSPECT": "1",
}


def test_a_run_is_the_same_in_every_shell() -> None:
    """Breaks if a variable of Ray's, of OpenMP's or of Python's that somebody exported for another
    program reaches a robot's processes."""
    environ = {"PATH": "/bin", "PYTHONPATH": "/mine", **UNLIKELY}
    choose(environ)
    assert environ == {"PATH": "/bin", "PYTHONPATH": "/mine", **SET}


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_is_never_between_our_own_parts(name: str) -> None:
    """Breaks if gRPC or HTTP among a robot's processes goes to the company's proxy; what leaves
    the machine still does."""
    environ = {name: PROXY, "no_proxy": "localhost,.corp", "NO_PROXY": ".corp,10.0.0.0/8"}
    choose(environ)
    assert environ[name] == PROXY
    assert environ["grpc_proxy"] == ""
    assert environ["no_proxy"] == environ["NO_PROXY"]
    assert set(environ["no_proxy"].split(",")) == {".corp", "10.0.0.0/8", *LOOPBACK}


def test_a_proxy_for_grpc_alone_is_emptied() -> None:
    """Breaks if ``grpc_proxy``, which wins over all others, stays."""
    environ = {"grpc_proxy": PROXY}
    choose(environ)
    assert environ["grpc_proxy"] == ""
    assert not proxies(environ)


def test_no_proxy_for_anything_stays_so() -> None:
    """Breaks if ``*`` becomes one of several names: only alone does it mean everything."""
    environ = {"http_proxy": PROXY, "no_proxy": "*"}
    choose(environ)
    assert environ["no_proxy"] == "*"


CALL = """
import sys
from concurrent import futures
import grpc
from pipeline.direct import direct

class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request)

class Handle:
    def options(self, **options):
        assert options == {"_by_reference": False}
        return self

if sys.argv[1] == "direct":
    direct(Handle())
server = grpc.server(futures.ThreadPoolExecutor(1))
server.add_generic_rpc_handlers((Echo(),))
port = server.add_insecure_port("127.0.0.2:0")
server.start()
with grpc.insecure_channel(f"127.0.0.2:{port}") as channel:
    try:
        print(channel.unary_unary("/a/b")(b"heard", timeout=60).decode())
    except grpc.RpcError as error:
        print(error.code().name)
server.stop(None)
"""


@pytest.mark.parametrize(("way", "said"), [("direct", "heard"), ("as it comes", "UNAVAILABLE")])
def test_grpc_reaches_a_neighbour_behind_a_dead_proxy(way: str, said: str) -> None:
    """Breaks if an empty ``grpc_proxy`` no longer means none, so that a robot behind a proxy goes
    deaf; the second case holds that it would otherwise."""
    environ = {**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": "localhost,127.0.0.1"}
    environ.pop("grpc_proxy", None)
    done = subprocess.run(
        [sys.executable, "-c", CALL, way],
        env=environ, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == said


def test_doctor_tells_of_what_reaches_in() -> None:
    """Breaks if a variable that has cost somebody an afternoon is not named with its effect."""
    told = "\n".join(
        remarks(
            {**UNLIKELY, "https_proxy": PROXY, "LD_PRELOAD": "/x.so", "CUDA_VISIBLE_DEVICES": ""}
        )
    )
    for name in (*UNLIKELY, "https_proxy", "LD_PRELOAD=/x.so", "CUDA_VISIBLE_DEVICES", "no GPU"):
        assert name in told
    assert PROXY not in told  # it may hold a password
    assert not list(remarks({"PATH": "/bin"}))
