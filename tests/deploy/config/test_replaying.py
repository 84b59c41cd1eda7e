"""A robot's configuration made one of a recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindstream.errors import ConfigError
from bindstream.types import DepthMeta, Modality
from deploy.config.file import made, shipped_path
from deploy.config.replaying import left_out, replaying, steady, unplayed
from deploy.config.serve_file import read
from sensors.recording.track import Track
from tests.deploy.configs import document

FILE = Path("/drives/a.mcap")
FRONT = Track("front", Modality.VISION, "/demo/front/image/compressed", 20.0)
EARS = Track("mic", Modality.AUDIO, "/demo/mic/audio", 16_000.0)
DEEP = Track("deep", Modality.DEPTH, "/deep", 10.0, lacks="optics")


def of(kind: str, file: dict) -> dict[str, dict]:
    return {
        app["name"]: app["args"]
        for app in file["applications"]
        if app["import_path"] == f"deploy.app:{kind}"
    }


def test_the_shipped_robot_plays_a_recordings_streams_and_no_others():
    """Breaks if a replay drives a device, waits for a stream that is not there, is refused by the
    configuration's own checks, or has another encoder or other words than the robot."""
    shipped = read(shipped_path())
    file = replaying(shipped, FILE, [FRONT, EARS], "max")
    config = made(shipped_path(), file)
    assert [s.name for s in config.streams] == ["front", "mic"]
    assert {s.driver for s in config.streams} == {"recording"}
    (robot,) = config.robots
    assert (robot.args.time, robot.args.speed) == ("streams", "max")
    assert sorted(robot.expected) == ["front", "mic"]
    assert set(robot.live.labels) == set(made(shipped_path(), shipped).robots[0].live.labels)
    assert config.streams[0].options == {
        "file": "/drives/a.mcap",
        "modality": "vision",
        "source": "/demo/front/image/compressed",
    }
    assert shipped == read(shipped_path())


def test_a_stream_of_the_same_name_keeps_its_settings():
    """Breaks if a robot's own hop or encoder is forgotten in its replay; or those of a stream of
    another modality are taken over."""
    live = document(
        {"name": "front", "modality": "vision", "driver": "camera", "hop_s": 0.25, "in_flight": 1},
        {"name": "mic", "modality": "imu", "driver": "push", "hop_s": 2.0},
    )
    streams = of("stream", replaying(live, FILE, [FRONT, EARS], 1.0))
    assert streams["stream-front"]["hop_s"] == 0.25
    assert streams["stream-front"]["in_flight"] == 1
    assert "hop_s" not in streams["stream-mic"]


def test_what_a_recording_does_not_say_a_configured_stream_does():
    """Breaks if a bag's depth without optics cannot be played at all, or is played twice."""
    options = {"modality": "depth", "source": "/deep", "fx_px": 300.0, "baseline_m": 0.05}
    told = {"name": "far", "modality": "depth", "driver": "recording", "options": options}
    file = replaying(document(told), FILE, [FRONT, DEEP], 1.0)
    streams = of("stream", file)
    assert set(streams) == {"stream-far", "stream-front"}
    assert streams["stream-far"]["options"] == {**options, "file": "/drives/a.mcap"}
    assert left_out(file, [FRONT, DEEP]) == []


def test_the_shipped_robot_takes_the_recorded_ones_name():
    """Breaks if who subscribes to a robot's topics hears nothing of its replay; or if a robot that
    somebody configured is renamed."""
    front = Track("front", Modality.VISION, "/rover/front/image/compressed", 20.0, robot="rover")
    shipped = read(shipped_path())
    config = made(shipped_path(), replaying(shipped, FILE, [front], 1.0, renamed=True))
    assert config.robots[0].name == config.streams[0].robot == "rover"
    own = made(shipped_path(), replaying(shipped, FILE, [front], 1.0))
    assert own.robots[0].name == "robot"


def test_a_configured_stream_that_is_not_wanted_is_not_played():
    """Breaks if --streams plays what the configuration says of others too."""
    options = {"modality": "depth", "source": "/deep", "fx_px": 300.0, "baseline_m": 0.05}
    told = {"name": "far", "modality": "depth", "driver": "recording", "options": options}
    file = replaying(unplayed(document(told), [DEEP]), FILE, [FRONT], 1.0)
    assert set(of("stream", file)) == {"stream-front"}
    kept = replaying(unplayed(document(told), [FRONT]), FILE, [DEEP], 1.0)
    assert set(of("stream", kept)) == {"stream-far"}


def test_what_is_not_played_is_told():
    """Breaks if a stream of a recording is left out in silence."""
    file = replaying(document(), FILE, [FRONT, DEEP], 1.0)
    assert left_out(file, [FRONT, DEEP]) == [
        "deep (depth, /deep) is not played: it lacks optics",
    ]


def test_nothing_to_play_is_refused_with_the_reason():
    """Breaks if a replay of nothing starts Ray and waits for ever."""
    with pytest.raises(ConfigError, match=r"deep \(depth\) lacks optics"):
        replaying(document(), FILE, [DEEP], 1.0)
    with pytest.raises(ConfigError, match="holds no stream"):
        replaying(document(), FILE, [], 1.0)


def test_for_a_digest_no_encoder_times_anything():
    """Breaks if two replays may take two paths, or batches that load makes."""
    encoders = {
        "a": {"kind": "imagebind", "max_batch": 16, "options": {"front_ends": {}}},
        "b": {"weights": "bindstream_tiny", "dtype": "bfloat16"},
        "c": {"kind": "tests.system.toy_encoder:ToyEncoder", "weights": None},
    }
    file = steady(replaying(document(encoder=encoders), FILE, [FRONT], 1.0))
    a, b, c = of("encoder", file).values()
    assert (a["max_batch"], b["max_batch"], c["max_batch"]) == (1, 1, 1)
    assert a["options"] == {"front_ends": {}, "steady": True}
    assert (a["dtype"], b["dtype"]) == ("float32", "bfloat16")
    assert "options" not in c


def test_depth_of_our_own_needs_nothing_said():
    """Breaks if a recording of ours asks for what it holds."""
    deep = Track("deep", Modality.DEPTH, "/r/deep/image", 10.0, DepthMeta(97.0, 0.05))
    assert set(of("stream", replaying(document(), FILE, [deep], 1.0))) == {"stream-deep"}
