"""The nouns: what passes between the parts, with shape, dtype and unit of every array.

All times are int64 nanoseconds since the Unix epoch on the robot host's one clock
(CLOCK_MONOTONIC plus a fixed offset). All quantities are SI. What goes over a wire is a frozen
``msgspec.Struct``: ``msgspec.structs.replace`` makes a changed one, ``structs.asdict`` a dict.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Vector: TypeAlias = NDArray[np.float32]


class Modality(StrEnum):
    """The six modalities of ImageBind (Girdhar et al., CVPR 2023)."""

    VISION = "vision"
    TEXT = "text"
    AUDIO = "audio"
    DEPTH = "depth"
    THERMAL = "thermal"
    IMU = "imu"


SENSED = (Modality.VISION, Modality.AUDIO, Modality.DEPTH, Modality.THERMAL, Modality.IMU)
"""The modalities that a sensor can have: all but text."""


class Reason(StrEnum):
    """Why a window was dropped. The set is closed: readers may rely on it."""

    LATE = "late"
    SUPERSEDED = "superseded"
    ENCODER_ERROR = "encoder_error"
    ENCODER_TIMEOUT = "encoder_timeout"
    INVALID_INPUT = "invalid_input"
    SENSOR_GAP = "sensor_gap"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    CRASH_LOST = "crash_lost"


@dataclass(frozen=True, slots=True)
class DepthMeta:
    """Intrinsics of a depth camera at its native size, for depth to disparity.

    ``fx_px`` focal length in pixels; ``baseline_m`` stereo baseline in metres.
    """

    fx_px: float
    baseline_m: float


@dataclass(frozen=True, slots=True)
class ImuMeta:
    """What the IMU front end needs beside the window.

    ``rate_hz`` of the window's steps, whatever the sensor's was; ``mean`` and ``std`` are the
    stream's running statistics per channel (6 values each; m/s2, then rad/s).
    """

    rate_hz: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class VisionMeta:
    """``span_ns``: time from the first to the last frame of the stack."""

    span_ns: int


Meta: TypeAlias = DepthMeta | ImuMeta | VisionMeta | None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What a driver read, stamped where the bytes appeared.

    ``t_ns`` is the capture time (audio: of the chunk's first sample); ``arrival_ns`` is when
    the bytes reached this process. ``data`` by modality:

    ========  ==============================================================
    vision    (H, W, 3) uint8 RGB
    audio     (n,) float32 in [-1, 1], mono, at the driver's rate (16 kHz)
    depth     (H, W) float32 metres, 0 = hole; meta is DepthMeta
    thermal   (H, W) float32 kelvin
    imu       (6,) float32: accelerometer m/s2, then gyroscope rad/s
    ========  ==============================================================
    """

    stream: str
    t_ns: int
    data: Array
    arrival_ns: int
    meta: Meta = None


class Stamped(msgspec.Struct, frozen=True, kw_only=True):
    """Whose window it is, which one, and of when: half-open [start_ns, end_ns).

    ``epoch`` numbers the starts of a stream, ``seq`` the windows of an epoch, without a gap.
    """

    robot: str
    stream: str
    modality: Modality
    epoch: int
    seq: int
    start_ns: int
    end_ns: int

    def stamp(self) -> dict[str, Any]:
        """These seven by name, for another kind that is of the same window."""
        return {name: getattr(self, name) for name in Stamped.__struct_fields__}


class Window(Stamped, frozen=True, kw_only=True, eq=False):
    """One window of one stream, ready for the encoder.

    ``data`` by modality; how many frames, of which size, samples and steps, the encoder says
    (``bindstream.formats``):

    ========  ==============================================================
    vision    (T, H, W, 3) uint8 RGB; meta is VisionMeta
    audio     (n,) float32 in [-1, 1], mono
    depth     (H, W) float32 metres, 0 = hole; meta is DepthMeta
    thermal   (H, W) float32 kelvin
    imu       (6, n) float32: m/s2, rad/s; meta is ImuMeta
    ========  ==============================================================

    ``n_missing`` counts native samples (audio, IMU) or frames that the window should have
    held and did not. ``captured_ns`` is the arrival of the sample that completed it; after
    ``deadline_ns`` nobody may encode it any more. A window that no robot cut leaves them 0.
    One that is ``lossless`` has no deadline, and no newer one takes its place.
    """

    data: Array
    meta: Meta = None
    n_missing: int = 0
    captured_ns: int = 0
    windowed_ns: int = 0
    deadline_ns: int = 0
    lossless: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """What an encoder replica answers for one window.

    ``vector`` is float32 (dim,), unit norm, or None where ``refusal`` says why there is none.
    ``queue_ms`` from arrival at the replica to the start of encoding, ``encode_ms`` the encoding.
    ``why`` tells in words what was wrong with a window refused as invalid_input.
    """

    vector: Vector | None
    refusal: Reason | None
    queue_ms: float
    encode_ms: float
    space_id: str
    encoder_id: str
    why: str = ""


class Embedding(Stamped, tag=True, frozen=True, kw_only=True, eq=False):
    """A window's place in the joint space.

    ``vector`` is float32 (dim,), unit norm. Vectors compare only where ``space_id`` is equal.
    ``words`` holds, per configured question, the nearest label where one is near enough.
    ``age_ms`` is the reader's clock minus ``end_ns`` at receipt; None where the two clocks
    are not known to agree. ``received_ns`` is the reader's clock; on the robot's own host it is
    the robot's, which no step of the wall clock moves. ``life`` names the start of the publisher.
    """

    captured_ns: int
    windowed_ns: int
    encoded_ns: int
    published_ns: int = 0
    queue_ms: float
    encode_ms: float
    n_missing: int
    space_id: str
    encoder_id: str
    vector: Vector
    words: dict[str, str] = {}
    received_ns: int = 0
    age_ms: float | None = None
    life: str = ""


class Tombstone(Stamped, tag=True, frozen=True, kw_only=True):
    """A window that was cut and then dropped; its ``seq`` stays taken."""

    reason: Reason
    published_ns: int = 0
    received_ns: int = 0
    life: str = ""


class Member(msgspec.Struct, frozen=True, array_like=True):
    """One stream's part in a scene. ``age_ms`` is the tick minus the member's end;
    a missing member has ``seq`` -1, weight 0 and age None."""

    stream: str
    modality: Modality
    seq: int
    weight: float
    age_ms: float | None


class Scene(msgspec.Struct, frozen=True, eq=False):
    """All streams of one robot at one tick, joined.

    ``vector`` is float32 (dim,), the normalised weighted mean of the present members' vectors.
    ``words`` holds, per configured question, the answer of the members that can tell.
    """

    robot: str
    epoch: int
    seq: int
    end_ns: int
    published_ns: int
    space_id: str
    members: tuple[Member, ...]
    vector: Vector
    words: dict[str, str] = {}
    received_ns: int = 0
    age_ms: float | None = None
    life: str = ""


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a robot: ``name`` and what is known of it."""

    robot: str
    name: str
    t_ns: int
    detail: dict[str, Any]


class Health(msgspec.Struct, frozen=True):
    """State of one stream, about once a second.

    ``state``: opening | running | stalled | paused | ended | failed | stopped. ``stalled``: the
    sensor gives nothing, or its last frame or reading again. ``ended``: nothing will ever follow,
    as after a recording. ``failed``: the stream should speak and does not. ``detail`` says
    why and since when, and holds the ledger and the counters.
    """

    robot: str
    stream: str
    state: str
    t_ns: int
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages of a stream that never reached this reader: seq ``first`` to ``last``."""

    robot: str
    stream: str
    epoch: int
    first: int
    last: int
