"""Calls from replica to replica."""

from __future__ import annotations

import os
from typing import Any


def direct(handle: Any) -> Any:
    """A Serve handle whose calls go by value over gRPC, and never through a proxy.

    gRPC obeys ``http_proxy``, and Serve does not tell it otherwise, so that where such a variable
    is set no call would arrive. An empty ``grpc_proxy`` says: none. It is read when a channel is
    opened, which is after this; other libraries' requests go by ``http_proxy`` as before.
    """
    os.environ["grpc_proxy"] = ""  # noqa: SIM112 - gRPC reads small letters alone
    return handle.options(_by_reference=False)


def result_of(response: Any, timeout_s: float) -> Any:
    """What a call answers. Raises TimeoutError, the call then being cancelled, and whatever else
    Serve or the other side raise."""
    try:
        return response.result(timeout_s=timeout_s)
    except TimeoutError:
        response.cancel()
        raise
