"""A sensor of your own: an IMU that sends JSON datagrams, as many phone apps do.

Nothing has to be registered: name it in the configuration as ``module:Class``, with its options::

    streams:
      - {name: phone, modality: imu, driver: "my_sensor:UdpImu", options: {port: 5555}}

and start with the folder on the path: ``PYTHONPATH=examples bindstream run my_robot.yaml``.
A datagram is ``{"acc": [x, y, z], "gyro": [x, y, z]}`` in m/s2 and rad/s.
"""

import json
import socket

import numpy as np

from bindstream import Modality, Sample
from bindstream.errors import DeviceUnavailable, WrongFormat
from bindstream.types import Array
from sensors.driver import Clock


class UdpImu:
    """The contract is in sensors/driver.py: open, read, close; no thread, no queue."""

    modality = Modality.IMU
    latency_ms = 20.0  # what a wireless network usually takes

    def __init__(
        self, stream: str, *, port: int, host: str = "127.0.0.1", rate_hz: float = 100.0
    ) -> None:
        self.stream, self.rate_hz = stream, rate_hz
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._now_ns: Clock | None = None

    def open(self, now_ns: Clock) -> None:
        """Bind, and prove it by one reading; if that fails, nothing stays open."""
        self._now_ns = now_ns
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(self._address)
            if not self.read(timeout_s=2.0):
                raise DeviceUnavailable(self.stream, f"no datagram on {self._address} in 2 s")
        except OSError as error:
            self.close()
            raise DeviceUnavailable(self.stream, f"{self._address}: {error}") from error
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> list[Sample]:
        """One datagram -> one sample, stamped where its bytes appear; [] when none came."""
        if self._socket is None or self._now_ns is None:
            return []
        self._socket.settimeout(timeout_s)
        try:
            datagram = self._socket.recv(2048)
        except TimeoutError:
            return []
        t_ns = self._now_ns()
        return [Sample(self.stream, t_ns, self._reading(datagram), arrival_ns=t_ns)]

    def close(self) -> None:
        """Release the port; may be called twice."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _reading(self, datagram: bytes) -> Array:
        """(6,) float32: accelerometer m/s2, then gyroscope rad/s."""
        try:
            told = json.loads(datagram)
            return np.array([*told["acc"], *told["gyro"]], np.float32).reshape(6)
        except (ValueError, KeyError, TypeError) as error:
            wanted = '{"acc": [x, y, z], "gyro": [x, y, z]}'
            raise WrongFormat(self.stream, f"wanted {wanted}, got {datagram[:80]!r}") from error
