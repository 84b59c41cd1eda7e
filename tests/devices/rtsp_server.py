"""A network camera: RTSP from GStreamer's own server, in the system's Python.

Needs the apt packages python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good; `missing`
says whether they are here.
"""

from __future__ import annotations

import subprocess

from tests.devices.mpegts_server import await_listener, free_port

PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good"
_PYTHON = "/usr/bin/python3"
_IMPORTS = """
import gi, sys
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
"""
_SERVE = (
    _IMPORTS
    + """
Gst.init(None)
server = GstRtspServer.RTSPServer(service=sys.argv[1], address="127.0.0.1")
factory = GstRtspServer.RTSPMediaFactory(shared=True)
factory.set_launch(
    "( videotestsrc is-live=true pattern=blue ! "
    "video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
    "jpegenc ! rtpjpegpay name=pay0 pt=26 )"
)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
GLib.MainLoop().run()
"""
)


def missing() -> str:
    """What to install; empty where the server can run."""
    try:
        done = subprocess.run([_PYTHON, "-c", _IMPORTS], capture_output=True)
    except FileNotFoundError:
        return PACKAGES
    return "" if done.returncode == 0 else PACKAGES


class RtspServer:
    """Serves a blue picture, 320x240 at 30 Hz, under ``url``; a context manager."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"rtsp://127.0.0.1:{self._port}/cam"

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server, anew after `kill`, and wait until it listens."""
        command = [_PYTHON, "-c", _SERVE, str(self._port)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        await_listener(self._port)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._process.kill()
        self._process.wait()
