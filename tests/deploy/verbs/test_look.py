"""``bindstream look``: what one sensor gives, without Ray or torch."""

from __future__ import annotations

import json
import subprocess
import sys
import wave

import numpy as np
import pytest
from PIL import Image

from bindstream.command.cli import main
from tests.devices.serial_port import SerialDevice, csv_line


def look(capsys, *words):
    """Exit code, the object on stdout, the words on stderr."""
    code = main(["look", *words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def test_a_stream_of_the_shipped_configuration(capsys):
    """Breaks if a configured stream cannot be looked at, or its figures are not the sensor's."""
    code, found, _ = look(capsys, "depth", "--seconds", "1.5")
    assert code == 0
    assert (found["state"], found["modality"], found["unit"]) == ("running", "depth", "m, 0 = hole")
    assert found["rate_hz"] == pytest.approx(found["wanted_rate_hz"], rel=0.3)
    assert found["step_ms"] == pytest.approx(100, rel=0.1)
    assert 0 < found["range"]["min"] <= found["range"]["median"] <= found["range"]["max"]
    assert found["refused"] == 0


def test_a_driver_by_name_on_a_real_port(capsys, tmp_path):
    """Breaks if a sensor must be configured first, or an IMU's readings cannot be kept."""
    save = tmp_path / "imu.csv"
    with SerialDevice(100, encode=csv_line) as device:
        options = ["--option", f"port={device.port}", "--option", "protocol=csv"]
        code, found, _ = look(capsys, "--driver", "imu", *options, "--save", str(save))
    assert code == 0
    assert found["range"]["az"]["median"] == pytest.approx(9.807, abs=0.01)
    assert found["counters"]["bad"] == 0
    assert save.read_text().splitlines()[0] == "t_ns,ax,ay,az,gx,gy,gz"
    assert len(save.read_text().splitlines()) == found["samples"] + 1


@pytest.mark.parametrize(
    ("modality", "suffix"), [("vision", "png"), ("thermal", "png"), ("audio", "wav")]
)
def test_what_was_seen_can_be_kept(capsys, tmp_path, modality, suffix):
    """Breaks if the file is empty, or holds something else than came."""
    save = tmp_path / f"newest.{suffix}"
    words = ["--driver", "world", "--option", f"modality={modality}", "--seconds", "1"]
    code, found, _ = look(capsys, *words, "--save", str(save))
    assert code == 0
    if modality == "audio":
        with wave.open(str(save)) as file:
            assert (file.getframerate(), file.getnframes()) == (16_000, found["samples"])
        return
    picture = np.asarray(Image.open(save))
    assert list(picture.shape) == found["shape"]
    if modality == "thermal":
        assert picture.max() / 100 == pytest.approx(found["range"]["max"], abs=0.1)


def test_nothing_that_came_is_exit_1_with_the_drivers_words(capsys):
    """Breaks if an absent device ends in 0, a traceback, or without a reason."""
    code, found, said = look(capsys, "--driver", "camera", "--option", "source=/dev/video222")
    assert code == 1
    assert (found["state"], found["samples"]) == ("failed", 0)
    assert "/dev/video222 is absent" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["dept"], "has no stream 'dept'; did you mean 'depth'?"),
        ([], "which stream?"),
        (["--driver", "camra"], "unknown driver 'camra'; did you mean 'camera'?"),
        (["--driver", "camera", "--option", "sorce=1"], "option 'sorce'; did you mean 'source'?"),
        (["--driver", "camera", "--option", "source"], "wanted KEY=VALUE, got 'source'"),
        (["depth", "--save", "x.jpg"], "depth is written as .png, got 'x.jpg'"),
        (["depth", "--seconds", "0"], "--seconds"),
    ],
)
def test_wrong_words_are_exit_2(capsys, words, says):
    """Breaks if a misspelt name opens anything, or is refused without the right one."""
    code, found, said = look(capsys, *words)
    assert (code, found) == (2, None)
    assert says in said


def test_it_needs_neither_ray_nor_torch():
    """Breaks if looking at a sensor takes the seconds, and the extras, of the whole robot."""
    program = (
        "import sys; sys.modules['ray'] = sys.modules['torch'] = None\n"
        "from bindstream.command.cli import main\n"
        "sys.exit(main(['look', 'imu', '--seconds', '0.5']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "400 Hz" in done.stdout


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def Eye(:", "cannot be imported: SyntaxError"),
        ("raise ValueError('no eye')", "cannot be imported: ValueError: no eye"),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit"),
        ("import no_such_camera_sdk", "needs 'no_such_camera_sdk', which is not installed"),
        ("x = 1", "has no Eye"),
        ("Eye = 5", "wanted a class, got int"),
        ("class Eye:\n    def __init__(self, stream): pass", "lacks open, read, close, a modality"),
    ],
)
def test_a_module_that_holds_no_driver_is_one_line(capsys, tmp_path, monkeypatch, source, says):
    """Breaks if a user's own driver that cannot be imported, or is none, ends in a traceback."""
    name = f"eye_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    code, _, err = look(capsys, "--driver", f"{name}:Eye")
    assert code == 2
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_device_that_repeats_itself_is_said_to(capsys):
    """Breaks if a board that prints its last values for ever looks well."""
    with SerialDevice(100, lambda _: (0.0, 0.0, 9.81, 0.0, 0.0, 0.0)) as device:
        code, found, _ = look(capsys, "--driver", "imu", "--option", f"port={device.port}")
    assert code == 0
    assert found["state"] == "stalled"
    assert "one and the same reading" in found["why"]
    assert found["counters"]["stale"] > 50
