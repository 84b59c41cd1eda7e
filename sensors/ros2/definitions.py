"""What the messages are: ROS 2's where they exist, ours where they do not.

Message bytes are CDR, as ROS 2 has them; ``rosbags`` packs and unpacks it. The texts below stand in
each file as its schema (``ros2msg``), so that a reader needs nothing of us to understand it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from bindstream.errors import MissingExtra

EXTRA = "recordings"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
IMAGE = "sensor_msgs/msg/Image"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
IMU = "sensor_msgs/msg/Imu"
RAW_AUDIO = "foxglove_msgs/msg/RawAudio"
AUDIO_DATA = "audio_common_msgs/msg/AudioData"
AUDIO_STAMPED = "audio_common_msgs/msg/AudioDataStamped"
EMBEDDING = "bindstream_msgs/msg/Embedding"
TOMBSTONE = "bindstream_msgs/msg/Tombstone"
MEMBER = "bindstream_msgs/msg/Member"
SCENE = "bindstream_msgs/msg/Scene"
EVENT = "bindstream_msgs/msg/Event"

_WINDOW = """
# When it ended, and of which stream (frame_id).
std_msgs/Header header
string robot
string stream
string modality
# The stream's start, and the number of the window in it, without a gap.
int64 epoch
int64 seq
# Half-open, Unix nanoseconds of the robot's clock.
int64 start_ns
int64 end_ns
int64 published_ns
"""
_WORDS = """
# Configured questions and what was answered, in the same order.
string[] questions
string[] answers
"""
THEIRS = {
    # https://github.com/ros-drivers/audio_common, branch ros2: of which rate and form is not said.
    AUDIO_DATA: "uint8[] data",
    AUDIO_STAMPED: """
std_msgs/Header header
audio_common_msgs/AudioData audio
""",
}
OURS = {
    # https://docs.foxglove.dev/docs/sdk/schemas/raw-audio: its Audio panel plays pcm-s16.
    RAW_AUDIO: """
# When its first sample was heard.
builtin_interfaces/Time timestamp
# Interleaved, little-endian.
uint8[] data
# pcm-s16; or pcm-f32, float32 in [-1, 1], in a lossless recording.
string format
uint32 sample_rate
uint32 number_of_channels
""",
    EMBEDDING: f"""# A window's place in the joint space.
{_WINDOW}
int64 captured_ns
int64 windowed_ns
int64 encoded_ns
float64 queue_ms
float64 encode_ms
# Samples or frames that the window should have held and did not.
int64 n_missing
# Vectors compare only where it is equal.
string space_id
string encoder_id
# Unit norm.
float32[] vector
{_WORDS}""",
    TOMBSTONE: f"""# A window that was dropped, and why.
{_WINDOW}
string reason
""",
    MEMBER: """# One stream's part in a scene; one that is missing has seq -1, weight 0 and age NaN.
string stream
string modality
int64 seq
float64 weight
float64 age_ms
""",
    SCENE: f"""# All streams of a robot at one tick, joined.
std_msgs/Header header
string robot
int64 epoch
int64 seq
int64 end_ns
int64 published_ns
string space_id
bindstream_msgs/Member[] members
# Unit norm: the weighted mean of the members' vectors.
float32[] vector
{_WORDS}""",
    EVENT: """# Something that happened to a robot; detail is a JSON object.
std_msgs/Header header
string robot
string name
string detail
""",
}


@cache
def _store() -> Any:
    """Message types by name. Raises MissingExtra."""
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ModuleNotFoundError as error:
        raise MissingExtra("rosbags", EXTRA, "a recording") from error
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in (THEIRS | OURS).items():
        store.register(get_types_from_msg(text, name))
    return store


def check() -> None:
    """Raises MissingExtra where the libraries of recordings are not installed."""
    _store()
    try:
        import mcap.writer  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("mcap", EXTRA, "a recording") from error


def known(kind: str) -> bool:
    """Whether messages of that type can be read."""
    return kind in _store().types


@cache
def text(kind: str) -> str:
    """The definition of a type and of all that it holds, as a file's schema."""
    definition: tuple[str, str] = _store().generate_msgdef(kind, ros_version=2)
    return definition[0]


@cache
def type_hash(kind: str) -> str:
    """REP 2011's hash of a type, as ROS 2 Iron and later know it."""
    told: str = _store().hash_rihs01(kind)
    return told


def made(kind: str, **fields: Any) -> Any:
    """A message, to be packed or put into another."""
    return _store().types[kind](**fields)


def packed(kind: str, message: Any) -> bytes:
    """CDR, little-endian."""
    return bytes(_store().serialize_cdr(message, kind))


def unpacked(kind: str, data: bytes | memoryview) -> Any:
    """The message. Raises whatever damaged bytes provoke."""
    return _store().deserialize_cdr(data, kind)


def stamp(t_ns: int) -> Any:
    """Unix nanoseconds as ROS has them."""
    sec, nanosec = divmod(t_ns, 1_000_000_000)
    return made("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)


def header(t_ns: int, frame_id: str) -> Any:
    """When, and of which stream."""
    return made("std_msgs/msg/Header", stamp=stamp(t_ns), frame_id=frame_id)


def nanoseconds(stamp: Any) -> int:
    """A ROS stamp as Unix nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
