"""`bindstream check`: exit 0 with a summary, or 2 with what is wrong."""

from __future__ import annotations

import socket

from bindstream.command.cli import main
from tests.deploy.configs import IMU, write


def test_a_sound_file_is_fine(tmp_path, capsys):
    """Breaks if what can run is refused, or nothing is said."""
    path = write(tmp_path, IMU)
    assert main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert out == f"{path}: fine. 1 robot, 1 stream, 1 encoder, every sensor opened.\n"
    assert main(["check", str(path), "--no-devices"]) == 0
    assert "opened" not in capsys.readouterr().out


def test_a_mistake_is_exit_2_and_one_line(tmp_path, capsys):
    """Breaks if a script takes a bad file for a good one."""
    assert main(["check", str(write(tmp_path, IMU | {"hop_ms": 5}))]) == 2
    err = capsys.readouterr().err
    assert "application 'stream-imu': unknown key 'hop_ms'; did you mean 'hop_s'?" in err
    assert len(err.splitlines()) == 1


def test_ports_can_be_left_out(tmp_path):
    """Breaks if a file cannot be checked beside the robot that runs it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        path = write(tmp_path, IMU, port=holder.getsockname()[1])
        assert main(["check", str(path)]) == 2
        assert main(["check", str(path), "--no-ports"]) == 0
