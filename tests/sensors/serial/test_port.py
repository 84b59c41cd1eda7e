"""A serial port, read until it is empty."""

from __future__ import annotations

import os
import threading
import time
import tty

import pytest

from bindstream.errors import DeviceBusy
from sensors.serial.port import SerialPort
from tests.patience import PATIENCE_S, until


@pytest.fixture
def terminal():
    """Both ends of a pseudo terminal."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_backlog_is_read_whole_and_known_as_such(terminal):
    """Breaks if 4,095 bytes, the most that a terminal gives at a time, pass for all there is."""
    master, path = terminal
    port = SerialPort("imu", path, 115200)
    port.open()
    backlog = bytes(range(250)) * 48
    writer = threading.Thread(target=os.write, args=(master, backlog), daemon=True)
    writer.start()  # where the kernel holds less than all of it, it waits for the reader
    time.sleep(0.1)  # the reader is away
    until(lambda: port._serial.in_waiting >= 4095, "a full terminal")
    data = bytearray(port.take(PATIENCE_S))
    assert len(data) > 4095
    assert not port.drained
    writer.join(0.1)
    until(lambda: len(data) >= len(backlog) or data.extend(port.take(0.1)))
    assert data == backlog
    until(lambda: not port.take(0.01) and port.drained)  # later, what waits is fresh
    assert port.drained
    with pytest.raises(DeviceBusy, match="busy"):
        SerialPort("other", path, 115200).open()
    port.close()
    port.close()
