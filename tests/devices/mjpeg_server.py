"""A network camera: MJPEG over HTTP, as cheap IP cameras speak it, with faults on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""


def grey(_: int, height: int = 240, width: int = 320) -> Picture:
    """A plain picture."""
    return np.full((height, width, 3), 128, np.uint8)


class MjpegServer:
    """Serves ``picture(index)`` at ``rate_hz`` to every client of ``url``; a context manager.

    ``stall()`` keeps the connections and sends nothing until ``resume()``; ``hang_up()`` closes
    them. ``picture`` may be replaced at any time, also by one of another size; ``spoil`` changes
    the bytes of a JPEG. ``sent`` holds (monotonic_ns, index) of every frame sent.
    """

    def __init__(
        self, picture: Callable[[int], Picture] = grey, rate_hz: float = 30.0, port: int = 0
    ) -> None:
        self.picture = picture
        self.rate_hz = rate_hz
        self.spoil: Callable[[int, bytes], bytes] = lambda _, jpeg: jpeg
        self.sent: list[tuple[int, int]] = []
        self.clients = 0
        self._flowing = threading.Event()
        self._flowing.set()
        self._generation = 0
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/cam.mjpg"

    def __enter__(self) -> MjpegServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def stall(self) -> None:
        """Send nothing any more, and leave the connections open."""
        self._flowing.clear()

    def resume(self) -> None:
        """Send again; a stalled client gets the frames of now, as from a camera."""
        self._flowing.set()

    def hang_up(self) -> None:
        """Close every connection; new ones are served."""
        self._generation += 1
        self._flowing.set()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        self.clients += 1
        try:
            self._stream(handler)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self.clients -= 1

    def _stream(self, handler: BaseHTTPRequestHandler) -> None:
        generation, start_s, index = self._generation, time.monotonic(), 0
        while generation == self._generation:
            self._flowing.wait()
            wait_s = start_s + index / self.rate_hz - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            _, jpeg = cv2.imencode(".jpg", self.picture(index)[:, :, ::-1])
            body = self.spoil(index, jpeg.tobytes())
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            handler.wfile.write(head.encode() + body + b"\r\n")
            self.sent.append((time.monotonic_ns(), index))
            index = max(index + 1, int((time.monotonic() - start_s) * self.rate_hz))
