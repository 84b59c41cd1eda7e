"""A serial port, read until it is empty."""

from __future__ import annotations

import os
import threading
import time
import tty

import pytest

from bindstream.errors import DeviceBusy
from sensors.serial_port import SerialPort


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
    data = port.take(1.0)
    assert len(data) > 4095
    assert not port.drained
    end_s = time.monotonic() + 5
    writer.join(0.1)
    while len(data) < len(backlog) and time.monotonic() < end_s:
        data += port.take(0.1)
    assert data == backlog
    while not port.drained and time.monotonic() < end_s:  # later, what waits is fresh
        port.take(0.01)
    assert port.drained
    with pytest.raises(DeviceBusy, match="busy"):
        SerialPort("other", path, 115200).open()
    port.close()
    port.close()
