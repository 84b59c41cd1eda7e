"""Bags of ROS 2 robots, written by the rosbags library: their topics as streams."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from bindstream.errors import ConfigError
from bindstream.types import DepthMeta, Modality, Sample
from sensors.recording.bag import LACKS_CAMERA, Bag
from sensors.recording.opening import opened
from sensors.ros2.unpacking import Reading
from tests.devices.drives import STARTS_NS

STORE = get_typestore(Stores.ROS2_HUMBLE)
IMAGE, COMPRESSED, IMU = (
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/Imu",
)
INFO = "sensor_msgs/msg/CameraInfo"
RED = np.zeros((6, 8, 3), np.uint8) + np.array([250, 10, 20], np.uint8)
PLUGINS = [StoragePlugin.SQLITE3, StoragePlugin.MCAP]


def made(kind: str, **fields: Any) -> Any:
    return STORE.types[kind](**fields)


def header(t_ns: int) -> Any:
    stamp = made("builtin_interfaces/msg/Time", sec=t_ns // 10**9, nanosec=t_ns % 10**9)
    return made("std_msgs/msg/Header", stamp=stamp, frame_id="camera")


def image(t_ns: int, encoding: str, data: np.ndarray, pad: int = 0, big: int = 0) -> Any:
    rows = np.pad(data.view(np.uint8).reshape(data.shape[0], -1), ((0, 0), (0, pad)))
    return made(
        IMAGE,
        header=header(t_ns),
        height=data.shape[0],
        width=data.shape[1],
        encoding=encoding,
        is_bigendian=big,
        step=rows.shape[1],
        data=rows.ravel(),
    )


def compressed(t_ns: int, form: str, data: bytes) -> Any:
    return made(COMPRESSED, header=header(t_ns), format=form, data=np.frombuffer(data, np.uint8))


def imu(t_ns: int, felt: float) -> Any:
    point = "geometry_msgs/msg/Vector3"
    return made(
        IMU,
        header=header(t_ns),
        orientation=made("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=np.zeros(9),
        angular_velocity=made(point, x=0.1, y=0.2, z=0.3),
        angular_velocity_covariance=np.zeros(9),
        linear_acceleration=made(point, x=felt, y=0.0, z=9.81),
        linear_acceleration_covariance=np.zeros(9),
    )


def info(t_ns: int, baseline_m: float) -> Any:
    p = np.zeros(12)
    p[0], p[3] = 200.0, -200.0 * baseline_m
    roi = made(
        "sensor_msgs/msg/RegionOfInterest",
        x_offset=0,
        y_offset=0,
        height=0,
        width=0,
        do_rectify=False,
    )
    k = np.array([200.0, 0, 4, 0, 200, 3, 0, 0, 1])
    size = {"height": 6, "width": 8, "binning_x": 0, "binning_y": 0, "roi": roi}
    model = {"distortion_model": "plumb_bob", "d": np.zeros(5), "k": k, "r": np.zeros(9), "p": p}
    return made(INFO, header=header(t_ns), **size, **model)


def bag(
    path: Path,
    said: Iterable[tuple[str, str, int, Any]],
    plugin: StoragePlugin = StoragePlugin.SQLITE3,
    squeeze: CompressionMode | None = None,
) -> Path:
    """A bag of (topic, type, time recorded, message)."""
    with_plugin = Writer(path, version=9, storage_plugin=plugin)
    if squeeze is not None:
        with_plugin.set_compression(squeeze, CompressionFormat.ZSTD)
    with with_plugin as writer:
        connections: dict[str, Any] = {}
        for topic, kind, t_ns, message in said:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], t_ns, STORE.serialize_cdr(message, kind))
    return path


def at(n: int) -> int:
    return STARTS_NS + n * 100_000_000


def read(path: Path, name: str, modality: Modality | None = None) -> list[Sample]:
    found = opened(path)
    track = next(t for t in found.tracks() if t.stream == name)
    reading = Reading(name, modality or track.modality, meta=track.meta)
    return [s for s in found.samples(track, reading, pytest.fail) if s]


@pytest.fixture(params=PLUGINS, ids=["sqlite", "mcap"])
def plugin(request):
    return request.param


def a_drive() -> list[tuple[str, str, int, Any]]:
    jpeg = cv2.imencode(".jpg", RED[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    said: list[tuple[str, str, int, Any]] = []
    for n in range(20):
        t_ns, late_ns = at(n), at(n) + 20_000_000
        counts = np.full((6, 8), 1500 + n, np.uint16)
        said += [
            ("/camera/image_raw/compressed", COMPRESSED, late_ns, compressed(t_ns, "jpeg", jpeg)),
            ("/camera/depth/image_rect", IMAGE, late_ns, image(t_ns, "16UC1", counts)),
            ("/camera/depth/camera_info", INFO, late_ns, info(t_ns, 0.05)),
            ("/imu/data", IMU, late_ns, imu(t_ns, n)),
        ]
    return said


def test_a_bags_topics_are_streams(plugin, tmp_path):
    """Breaks if a ROS 2 robot's recording cannot be played without a configuration: types, times
    of the headers, rates and the depth camera's optics are read off it."""
    path = bag(tmp_path / "drive", a_drive(), plugin)
    tracks = {t.stream: t for t in opened(path).tracks()}
    assert {name: str(t.modality) for name, t in tracks.items()} == {
        "camera_image_raw_compressed": "vision",
        "camera_depth_image_rect": "depth",
        "imu_data": "imu",
    }
    assert tracks["camera_depth_image_rect"].meta == DepthMeta(200.0, pytest.approx(0.05))
    assert all(t.rate_hz == pytest.approx(10.0) for t in tracks.values())
    assert opened(path).starts_ns == at(0) + 20_000_000
    felt = read(path, "imu_data")
    assert [s.t_ns for s in felt] == [at(n) for n in range(20)]
    assert [s.arrival_ns for s in felt] == [at(n) + 20_000_000 for n in range(20)]
    assert [s.data[0] for s in felt] == list(range(20))
    deep = read(path, "camera_depth_image_rect")
    assert [round(float(s.data[0, 0]) * 1000) for s in deep] == [1500 + n for n in range(20)]
    seen = read(path, "camera_image_raw_compressed")[0].data
    assert np.abs(seen.astype(int) - RED).max() < 6


def test_one_file_of_a_bag_will_do(plugin, tmp_path):
    """Breaks if a bag whose recorder was killed, and wrote no metadata.yaml, cannot be played."""
    folder = bag(tmp_path / "drive", a_drive(), plugin)
    (folder / "metadata.yaml").unlink()
    (file,) = folder.iterdir()
    assert len(read(folder, "imu_data")) == len(read(file, "imu_data")) == 20


def test_a_bag_of_several_files_is_one_recording(plugin, tmp_path):
    """Breaks if a bag that was split by size is played in the order of names: 10 before 9."""
    parts = tmp_path / "split"
    parts.mkdir()
    for n in range(12):
        part = bag(tmp_path / f"p{n}", [("/imu", IMU, at(n), imu(at(n), n))], plugin)
        (file,) = (f for f in part.iterdir() if f.suffix in (".db3", ".mcap"))
        shutil.copy(file, parts / f"split_{n}{file.suffix}")
    assert [s.data[0] for s in read(parts, "imu")] == list(range(12))


def test_equal_stamps_keep_the_order_of_writing(plugin, tmp_path):
    """Breaks if two plays of a bag may differ: equal stamps have a defined order."""
    said = [("/imu", IMU, at(0), imu(at(n % 2), n)) for n in range(50)]
    path = bag(tmp_path / "drive", said, plugin)
    assert [s.data[0] for s in read(path, "imu")] == list(range(50))


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RED),
        ("bgr8", np.ascontiguousarray(RED[:, :, ::-1])),
        ("rgba8", np.dstack([RED, np.full((6, 8), 255, np.uint8)])),
        ("bgra8", np.dstack([RED[:, :, ::-1], np.full((6, 8), 255, np.uint8)])),
    ],
)
def test_every_order_of_colours(encoding, pixels, tmp_path):
    """Breaks if red and blue change places, or the rows' padding is taken for picture."""
    said = [("/eye", IMAGE, at(n), image(at(n), encoding, pixels, pad=5)) for n in range(2)]
    assert np.array_equal(read(bag(tmp_path / "drive", said), "eye")[0].data, RED)


def test_grey_pictures_and_big_endian_depth(tmp_path):
    """Breaks if a mono camera is refused, or depth of another byte order is read as noise."""
    grey = np.full((6, 8), 77, np.uint8)
    counts = np.full((6, 8), 1234, np.dtype(">u2"))
    said = [("/grey", IMAGE, at(0), image(at(0), "mono8", grey)),
            ("/deep", IMAGE, at(0), image(at(0), "16UC1", counts, big=1))]  # fmt: skip
    path = bag(tmp_path / "drive", said)
    assert (read(path, "grey")[0].data == 77).all()
    assert np.allclose(read(path, "deep", Modality.DEPTH)[0].data, 1.234)
    assert np.allclose(read(path, "deep", Modality.THERMAL)[0].data, 12.34)


def test_compressed_depth(tmp_path):
    """Breaks if the header of compressed_depth_image_transport is taken for the picture."""
    counts = np.arange(48, dtype=np.uint16).reshape(6, 8) + 1000
    content = bytes(12) + cv2.imencode(".png", counts)[1].tobytes()
    said = [("/d/compressedDepth", COMPRESSED, at(0),
             compressed(at(0), "16UC1; compressedDepth png", content))]  # fmt: skip
    found = read(bag(tmp_path / "drive", said), "d_compresseddepth", Modality.DEPTH)
    assert np.allclose(found[0].data, counts / 1000)


def test_depth_without_optics_says_what_it_lacks(tmp_path):
    """Breaks if depth is played with a focal length that nobody stated."""
    counts = np.full((6, 8), 1500, np.uint16)
    said = [("/deep", IMAGE, at(0), image(at(0), "16UC1", counts)),
            ("/camera_info", INFO, at(0), info(at(0), 0.0))]  # fmt: skip
    (track,) = opened(bag(tmp_path / "drive", said)).tracks()
    assert (track.meta, track.lacks) == (None, LACKS_CAMERA)


def test_messages_that_rosbag2_compressed_one_by_one(tmp_path):
    """Breaks if a bag recorded with --compression-mode message holds nothing that can be read."""
    path = bag(tmp_path / "drive", a_drive(), squeeze=CompressionMode.MESSAGE)
    assert len(read(path, "imu_data")) == 20


def test_a_bag_compressed_as_a_whole_is_refused_with_the_cure(tmp_path):
    """Breaks if it is called damaged, or no recording."""
    path = bag(tmp_path / "drive", a_drive(), squeeze=CompressionMode.FILE)
    with pytest.raises(ConfigError, match="zstd -d"):
        opened(path)


def test_an_unreadable_message_costs_itself(tmp_path):
    """Breaks if one picture that is none ends its stream, or is passed over in silence."""
    said = a_drive()
    said.insert(
        4, ("/camera/image_raw/compressed", COMPRESSED, at(1) + 1, compressed(at(1), "jpeg", b"no"))
    )
    found = opened(bag(tmp_path / "drive", said))
    track = next(t for t in found.tracks() if t.modality is Modality.VISION)
    refused: list[Exception] = []
    reading = Reading(track.stream, track.modality)
    assert len([s for s in found.samples(track, reading, refused.append) if s]) == 20
    assert "no picture" in str(refused[0])
    assert len(refused) == 1


def test_what_is_no_bag_is_refused(tmp_path):
    """Breaks if another database or file ends in a traceback."""
    base = tmp_path / "a.db3"
    with sqlite3.connect(base) as connection:
        connection.execute("CREATE TABLE x (y)")
    (tmp_path / "b.db3").write_bytes(b"no database at all, but long enough" * 50)
    (tmp_path / "c.mcap").write_bytes(b"nothing")
    (tmp_path / "d.bag").write_bytes(b"#ROSBAG V2.0")
    for name in ("a.db3", "b.db3", "c.mcap", "d.bag"):
        with pytest.raises(ConfigError, match=name):
            opened(tmp_path / name)
    with pytest.raises(ConfigError, match=r"nowhere\.mcap: no such file"):
        opened(tmp_path / "nowhere.mcap")


def test_topics_that_are_no_sensor_are_left_alone(tmp_path):
    """Breaks if a bag with transforms, texts or types that nobody knows cannot be opened."""
    text = made("std_msgs/msg/String", data="hello")
    said = [("/chatter", "std_msgs/msg/String", at(0), text), ("/imu", IMU, at(0), imu(at(0), 1))]
    assert [t.stream for t in Bag(bag(tmp_path / "drive", said)).tracks()] == ["imu"]
