"""What the HTTP ingress lets in: this machine's own requests, of bounded size. Pure ASGI.

The ingress listens on loopback and has no password, so the danger is a web page in the browser of
whoever works at the robot: it can send requests to 127.0.0.1 too (cross-site request), or make
its own name point there (DNS rebinding). Browsers cannot forge Host and Origin: both must be
loopback's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

MAX_BODY_BYTES = 64 * 1024

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOOPBACK = r"(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\])(:\d{1,5})?\Z"
_HOST = re.compile(_LOOPBACK, re.IGNORECASE)
_ORIGIN = re.compile(r"https?://" + _LOOPBACK, re.IGNORECASE)


class Guard:
    """Middleware: 400 for a foreign Host, 403 for a foreign Origin, 413 for too large a body."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (or the app's own start and end, which pass)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = _refusal(scope["headers"]) if scope["type"] == "http" else (403, "HTTP only")
        body = None if refusal else await _body(receive)
        if not refusal and body is None:
            refusal = (413, f"body over {MAX_BODY_BYTES} bytes")
        if refusal:
            await _refuse(scope, send, *refusal)
        else:
            await self._app(scope, _Replay(body or b"", receive), send)


class _Replay:
    """Gives the app the body that was read already, then what the server says."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> MutableMapping[str, Any]:
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}


def _refusal(headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
    values = [(name.lower(), value.decode("latin-1")) for name, value in headers]
    hosts = [value for name, value in values if name == b"host"]
    origins = [value for name, value in values if name == b"origin"]
    lengths = [value for name, value in values if name == b"content-length"]
    if len(hosts) != 1 or not _HOST.match(hosts[0]):
        return 400, "Host must be 127.0.0.1, localhost or [::1]: reach a robot by an ssh tunnel"
    if not all(_ORIGIN.match(origin) for origin in origins):
        return 403, "requests of web pages from elsewhere are refused"
    if any(not n.isdigit() or int(n) > MAX_BODY_BYTES for n in lengths):
        return 413, f"body over {MAX_BODY_BYTES} bytes"
    return None


async def _body(receive: Receive) -> bytes | None:
    """All of it; None when it is too long, whatever the headers said."""
    parts = bytearray()
    more = True
    while more:
        message = await receive()
        parts += message.get("body", b"")
        more = message.get("more_body", False)
        if len(parts) > MAX_BODY_BYTES:
            return None
    return bytes(parts)


async def _refuse(scope: Scope, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    body = json.dumps({"detail": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
