"""A network camera: MPEG-2 in a transport stream over TCP, by ffmpeg, fed frame by frame."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def free_port() -> int:
    """A TCP port of the loopback that nobody holds just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MpegtsServer:
    """Serves ``picture(index)``, (H, W, 3) uint8 RGB, at ``rate_hz`` to one client of ``url``.

    A context manager. ``sent`` holds (monotonic_ns, index) of every frame given to the encoder.
    """

    def __init__(
        self,
        picture: Callable[[int], NDArray[np.uint8]],
        rate_hz: float = 30.0,
        codec: tuple[str, ...] = ("mpeg2video", "-q:v", "3", "-bf", "0", "-g", "15"),
    ) -> None:
        self.picture = picture
        self.rate_hz = rate_hz
        self.sent: list[tuple[int, int]] = []
        self.url = f"tcp://127.0.0.1:{free_port()}"
        self._codec = codec
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    def __enter__(self) -> MpegtsServer:
        height, width = self.picture(0).shape[:2]
        command = ["ffmpeg", "-loglevel", "error", "-nostdin", "-threads", "1"]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
        command += ["-r", str(self.rate_hz), "-i", "-", "-c:v", *self._codec]
        command += ["-flush_packets", "1", "-muxdelay", "0", "-f", "mpegts", f"{self.url}?listen"]
        self._ffmpeg = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._thread.start()
        await_listener(int(self.url.rpartition(":")[2]))
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._ffmpeg.kill()
        self._ffmpeg.wait()
        self._thread.join()

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._ffmpeg.kill()

    def _feed(self) -> None:
        pipe = self._ffmpeg.stdin
        assert pipe is not None
        start_s, index = time.monotonic(), 0
        try:
            while not self._ended.is_set():
                pipe.write(self.picture(index).tobytes())
                pipe.flush()
                self.sent.append((time.monotonic_ns(), index))
                index += 1
                # The first frame waits in the pipe for the client: the pace starts after it.
                start_s = time.monotonic() if index == 1 else start_s
                self._ended.wait(max(0.0, start_s + index / self.rate_hz - time.monotonic()))
        except BrokenPipeError:
            pass
        finally:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def await_listener(port: int) -> None:
    """Until somebody listens on the port; without connecting, which ffmpeg takes for its client."""
    deadline_s = time.monotonic() + 60
    with Path("/proc/self/net/tcp").open() as table:
        while f":{port:04X} 00000000:0000 0A" not in table.read():
            table.seek(0)
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"nobody listens on {port}")
            time.sleep(0.02)
