"""`bindstream plan`: figures that hold for what is then sent."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bindstream import wire
from bindstream.command.cli import main
from deploy.verbs import plan
from tests.deploy import messages
from tests.deploy.configs import IMU, made, write


def test_a_forecast_holds_what_the_stream_will_do(tmp_path):
    """Breaks if rates, bytes or ages are those of another stream."""
    (f,) = plan.forecast(made(tmp_path, IMU | {"hop_s": 0.5, "deadline_s": 2.0}))
    assert (f.stream, f.modality, f.driver, f.encoder) == ("imu", "imu", "world", "encoder")
    assert (f.sensor_rate_hz, f.length_s, f.hop_s) == (400.0, 5.0, 0.5)
    assert f.windows_per_s == 2.0
    assert f.window_bytes == 6 * 2000 * 4
    assert f.worst_age_s == 2.0


def test_bytes_on_the_wire_are_near_a_real_message():
    """Breaks if the header grew and the forecast did not."""
    vector = np.zeros(1024, np.float32)
    frames = wire.encode(messages.embedding(vector=vector, seq=100_000, encoder_id="a" * 40))
    around = sum(len(part) for part in frames[:2])
    assert pytest.approx(around, rel=1 / 3) == plan.HEADER_BYTES


def test_json_is_one_object_per_line(tmp_path, capsys):
    """Breaks if scripts cannot read the plan."""
    path = write(tmp_path, IMU, IMU | {"name": "other", "hop_s": 2.0})
    assert main(["plan", str(path), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["stream"] for r in records] == ["imu", "other"]
    assert records[1]["windows_per_s"] == 0.5


@pytest.mark.parametrize("width", [80, 60, 200])
def test_the_table_fits_and_cuts_nothing(width, capsys, monkeypatch):
    """Breaks if a stream is missing from what a person reads, or a name or heading is cut."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    words = set(" ".join(lines).replace(":", " ").split())
    assert {"front", "ears", "depth", "thermal", "imu", "vision", "encoder", "native"} <= words
    assert {"modality", "driver", "sensor", "worst"} <= words
    assert "16000" in words


def test_a_pipe_has_80_columns(capsys, monkeypatch):
    """Breaks if a CI log, which has no width, is written for a terminal that has."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:4] == ["stream", "modality", "driver", "encoder"]


def test_a_bad_configuration_is_exit_2(tmp_path, capsys):
    """Breaks if a plan is made of what cannot run."""
    assert main(["plan", str(write(tmp_path, IMU | {"driver": "gyro"}))]) == 2
    assert "unknown driver 'gyro'" in capsys.readouterr().err
