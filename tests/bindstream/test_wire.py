"""The wire: golden bytes of every version, round trips, and bytes from nobody we know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream import wire
from bindstream.errors import UnknownKind, WireError
from bindstream.types import Modality, Reason
from tests.bindstream.messages import EMBEDDING, EVENT, MESSAGES, as_plain, embedding

GOLDEN = Path(__file__).parent.parent / "golden" / "wire"
V1: dict[str, list[str]] = json.loads((GOLDEN / "v1.json").read_text())


def _frames(name: str) -> list[bytes]:
    return [bytes.fromhex(frame) for frame in V1[name]]


@pytest.mark.parametrize("name", V1)
def test_messages_of_version_1_are_read_for_ever(name: str) -> None:
    """Breaks if a reader of today cannot read what a robot of version 1 sends."""
    wanted = as_plain(MESSAGES[name.removesuffix("_float16")])
    assert as_plain(wire.decode(_frames(name))) == wanted


@pytest.mark.parametrize("name", V1)
def test_version_1_is_still_what_is_sent(name: str) -> None:
    """Breaks if the bytes change without a new version: old readers would be left alone."""
    dtype = "float16" if name.endswith("_float16") else "float32"
    assert wire.encode(MESSAGES[name.removesuffix("_float16")], dtype) == _frames(name)


def test_the_version_comes_first() -> None:
    """Breaks if a reader must understand a header to learn that it cannot."""
    for name in V1:
        header = _frames(name)[1]
        map_head = 3 if header[0] == 0xDE else 1  # map16, or a map of up to 15
        assert header[map_head : map_head + 3] == b"\xa1v\x01"
        assert msgspec.msgpack.decode(_frames(name)[1])["v"] == 1


def test_any_msgpack_reader_can_read_the_header() -> None:
    """Breaks if the header needs our own library."""
    header = msgspec.msgpack.decode(_frames("embedding")[1])
    assert header["stream"] == "front"
    assert header["seq"] == 41
    assert header["dim"] * 4 == len(_frames("embedding")[2])


def test_an_unknown_version_is_refused_by_name() -> None:
    """Breaks if a message of the future is misread as one of today."""
    frames = _frames("embedding")
    frames[1] = frames[1].replace(b"\xa1v\x01", b"\xa1v\x02")
    with pytest.raises(WireError, match="wire version 2 is not known; this reader speaks 1"):
        wire.decode(frames)


@given(
    seq=st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 2**63 - 1),
    start_ns=st.integers(-(2**63), 2**63 - 1),
    length_ns=st.integers(0, 2**40),
    n_missing=st.integers(0, 2**31),
    queue_ms=st.floats(allow_nan=False),
    vector=st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=64
    ).filter(any),
    words=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3),
    modality=st.sampled_from(Modality),
)
def test_an_embedding_survives_the_way(
    vector: list[float], start_ns: int, length_ns: int, **given_fields: Any
) -> None:
    """Breaks if any value of any field comes out other than it went in."""
    end_ns = min(start_ns + length_ns, 2**63 - 1)
    fields = {**given_fields, "start_ns": start_ns, "end_ns": end_ns}
    sent = embedding(**fields, vector=np.array(vector, np.float32))
    assert as_plain(wire.decode(wire.encode(sent))) == as_plain(sent)


@given(
    st.dictionaries(
        st.text(max_size=8).filter(lambda key: key != "name"),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_an_event_survives_the_way(detail: dict[str, Any]) -> None:
    """Breaks if plain data of an event comes out changed."""
    sent = wire.Event("demo", "something", 5, detail)
    assert wire.decode(wire.encode(sent)) == sent


def test_a_detail_cannot_rename_its_event() -> None:
    """Breaks if a key of the detail overwrites what the event is."""
    sent = wire.Event("demo", "clock_step", 5, {"name": "other"})
    got = wire.decode(wire.encode(sent))
    assert isinstance(got, wire.Event)
    assert got.name == "clock_step"


def test_age_only_where_clocks_agree() -> None:
    """Breaks if an age is stated by two clocks that have nothing to do with each other."""
    frames = wire.encode(EMBEDDING)
    received_ns = EMBEDDING.end_ns + 30_000_000
    near = wire.decode(frames, received_ns, same_clock=True)
    far = wire.decode(frames, received_ns, same_clock=False)
    assert isinstance(near, wire.Embedding)
    assert isinstance(far, wire.Embedding)
    assert (near.age_ms, far.age_ms) == (30.0, None)
    assert near.received_ns == far.received_ns == received_ns


def test_what_has_the_time_of_a_recording_has_no_age() -> None:
    """Breaks if a replay of an hour ago is said to be an hour late; or if one key more stands in
    the header of a live robot."""
    live, replayed = wire.encode(EMBEDDING), wire.encode(EMBEDDING, time="streams")
    got = wire.decode(replayed, EMBEDDING.end_ns + 1, same_clock=True)
    assert isinstance(got, wire.Embedding)
    assert got.age_ms is None
    assert got.end_ns == EMBEDDING.end_ns
    assert "time" not in msgspec.msgpack.decode(live[1])
    assert msgspec.msgpack.decode(replayed[1])["time"] == "streams"


def test_a_vector_is_the_readers_own() -> None:
    """Breaks if a reader cannot write to a vector, or writes into a shared buffer."""
    frames = wire.encode(EMBEDDING)
    first, second = wire.decode(frames), wire.decode(frames)
    assert isinstance(first, wire.Embedding)
    assert isinstance(second, wire.Embedding)
    first.vector[0] = 9
    assert second.vector[0] == 0.5
    assert first.vector.dtype == np.float32


def _changed(name: str, **fields: Any) -> list[bytes]:
    frames = _frames(name)
    frames[1] = msgspec.msgpack.encode(msgspec.msgpack.decode(frames[1]) | fields)
    return frames


@pytest.mark.parametrize(
    "frames",
    [
        [],
        _frames("embedding")[:2],
        [*_frames("embedding"), b""],
        [b"", b"", b""],
        [b"scene/demo/", *_frames("embedding")[1:]],
        [b"embedding/demo/front", *_frames("embedding")[1:]],
        [*_frames("embedding")[:2], b"123"],
        [*_frames("embedding")[:2], b""],
        [*_frames("embedding")[:2], bytes(2 << 20)],
        [*_frames("tombstone")[:2], b"x"],
        [*_frames("event")[:2], b"\x80"],
        [*_frames("event")[:2], b"\x81\xa4name\x05"],
        [*_frames("event")[:2], b"\x81\xa4name" + b"\x91" * 100_000 + b"\xc0"],
        [*_frames("event")[:2], b"\xdf\xff\xff\xff\xff"],
        _changed("embedding", kind="gossip"),
        _changed("embedding", robot="../../etc"),
        _changed("embedding", robot="demo\n"),
        _changed("embedding", stream="Front"),
        [b"embedding/demo//", *_changed("embedding", stream="")[1:]],
        [b"health/demo//", *_changed("health", stream="")[1:]],
        _changed("embedding", modality="smell"),
        _changed("embedding", dim=0),
        _changed("embedding", dim=-4),
        _changed("embedding", dim=2**40),
        _changed("embedding", dtype="object"),
        _changed("embedding", seq="41"),
        _changed("embedding", seq=2**64 - 1, v=1.5),
        _changed("embedding", words={"a": 1}),
        _changed("embedding", padding="x" * 20_000),
        _changed("tombstone", reason="because"),
        _changed("scene", members=[["front", "vision", 1]]),
        _changed("scene", members=[["front", "smell", 1, 0.5, None]]),
        [b"x", b"\x81\xa1v" + b"\x91" * 16_000 + b"\xc0", b""],
        [b"x", b"\x82\xa1v\x01\xa4kind\xa2\xff\xfe", b""],
    ],
)
def test_bad_messages_are_refused(frames: list[bytes]) -> None:
    """Breaks if bytes of a stranger are taken for a message, or raise anything else."""
    with pytest.raises(WireError):
        wire.decode(frames)


@pytest.mark.parametrize(
    ("name", "fields", "why"),
    [
        ("embedding", {"epoch": -1}, "must not be negative"),
        ("tombstone", {"seq": -1}, "must not be negative"),
        ("scene", {"epoch": -3}, "must not be negative"),
        ("embedding", {"start_ns": 5, "end_ns": 4}, "ends 1 ns before its start"),
        ("tombstone", {"start_ns": 5, "end_ns": 4}, "ends 1 ns before its start"),
    ],
)
def test_numbers_that_no_robot_gives_are_refused(
    name: str, fields: dict[str, int], why: str
) -> None:
    """Breaks if a negative number or a window that ends before its start reaches a program."""
    with pytest.raises(WireError, match=why):
        wire.decode(_changed(name, **fields))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize("name", ["embedding", "scene", "embedding_float16"])
def test_a_vector_without_direction_is_refused(name: str, bad: float) -> None:
    """Breaks if NaN, infinity or a vector of zeros is compared with something."""
    frames = _frames(name)
    kind = "<f2" if name.endswith("16") else "<f4"
    frames[2] = np.full(4, bad, kind).tobytes()
    with pytest.raises(WireError, match="finite and not zero"):
        wire.decode(frames)


@pytest.mark.parametrize("name", ["event", "health"])
def test_a_map_of_a_million_maps_is_not_even_read(name: str) -> None:
    """Breaks if one message of a stranger costs seconds and 75 MB."""
    maps = b"\x82\xa4name\xa1x\xa1a\xdd" + (900_000).to_bytes(4, "big") + b"\x80" * 900_000
    with pytest.raises(WireError, match=r"a map of \d+ bytes, at most 65536"):
        wire.decode([*_frames(name)[:2], maps])


def test_a_kind_of_the_future_is_told_apart_from_damage() -> None:
    """Breaks if a reader counts what a newer robot sends as malformed."""
    with pytest.raises(UnknownKind, match="kind 'answer'"):
        wire.decode([b"answer/demo/", *_changed("event", kind="answer")[1:]])


def test_keys_of_the_future_are_passed_over() -> None:
    """Breaks if a header with a key more than today's is refused: no robot could ever tell more."""
    frames = _changed("embedding", tomorrow={"a": [1]}, life="abc", offset_ns=5)
    got = wire.decode(frames)
    assert as_plain(got) == as_plain(embedding(41, life="abc"))


def test_on_the_robots_own_host_ages_are_by_the_robots_clock() -> None:
    """Breaks if a wall clock that was set makes every age of this host wrong until a restart."""
    frames = wire.encode(embedding(0, life="0123abcd-feed"), offset_ns=10**18)
    monotonic_ns = EMBEDDING.end_ns - 10**18 + 30_000_000
    hour_ns = 3_600_000_000_000
    set_back_ns = EMBEDDING.end_ns - hour_ns
    near = wire.decode(frames, set_back_ns, True, wire.Here("0123abcd-", monotonic_ns))
    far = wire.decode(frames, set_back_ns, False, wire.Here("ffffffff-", monotonic_ns))
    assert isinstance(near, wire.Embedding)
    assert isinstance(far, wire.Embedding)
    assert (near.age_ms, near.received_ns) == (30.0, EMBEDDING.end_ns + 30_000_000)
    assert (far.age_ms, far.received_ns) == (None, set_back_ns)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mutated_messages_never_raise_anything_else(data: st.DataObject) -> None:
    """Breaks if damaged bytes of a real message escape as another exception."""
    frames = _frames(data.draw(st.sampled_from(sorted(V1))))
    which = data.draw(st.integers(0, 2))
    body = bytearray(frames[which])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(0, len(body) - 1)))
        edit = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if edit == "cut":
            del body[at : at + data.draw(st.integers(1, 9))]
        elif edit == "insert":
            body[at:at] = data.draw(st.binary(max_size=9))
        elif body:
            body[at] = data.draw(st.integers(0, 255))
    frames[which] = bytes(body)
    _must_be_read_or_refused(frames)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_frames_never_raise_anything_else(frames: list[bytes]) -> None:
    """Breaks if noise escapes as another exception."""
    _must_be_read_or_refused(frames)


_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(V1)),
    fields=st.dictionaries(st.sampled_from(wire.Header.__struct_fields__), _PLAIN, max_size=4),
    payload=st.none() | _PLAIN,
)
def test_headers_of_any_values_never_raise_anything_else(
    name: str, fields: dict[str, Any], payload: Any
) -> None:
    """Breaks if a well-formed header with absurd values escapes as another exception."""
    frames = _changed(name, **fields)
    if payload is not None:
        frames[2] = msgspec.msgpack.encode(payload)
    _must_be_read_or_refused(frames)


def _must_be_read_or_refused(frames: list[bytes]) -> None:
    try:
        message = wire.decode(frames, 1, same_clock=True)
    except WireError:
        return
    assert wire.topic(message).encode() == frames[0]


def test_names_are_safe_in_topics_and_paths() -> None:
    """Breaks if a name can leave its place in a topic, a path or a shell."""
    assert all(map(wire.valid_name, ("a", "front-left_2", "x" * 64)))
    for bad in ("", "x" * 65, "Front", "a/b", "..", "a b", "a\n", "ä", "a."):
        assert not wire.valid_name(bad)


def test_reasons_are_the_closed_set_of_the_design() -> None:
    """Breaks if a reason is added or renamed without a thought for old readers."""
    assert {r.value for r in Reason} == {
        "late",
        "superseded",
        "encoder_error",
        "encoder_timeout",
        "invalid_input",
        "sensor_gap",
        "paused",
        "shutdown",
        "crash_lost",
    }


def test_a_float16_payload_is_half_the_size_and_near_enough() -> None:
    """Breaks if the small payload loses direction."""
    rng = np.random.default_rng(0)
    vector = rng.normal(size=1024).astype(np.float32)
    sent = embedding(0, vector=vector / np.linalg.norm(vector))
    frames = wire.encode(sent, "float16")
    got = wire.decode(frames)
    assert len(frames[2]) == 2048
    assert isinstance(got, wire.Embedding)
    assert float(got.vector @ sent.vector) > 1 - 1e-6


def test_topics_end_in_a_slash() -> None:
    """Breaks if a subscription to 'cam' also brings 'camera2'."""
    assert wire.topic(EVENT) == "event/demo/"
    assert all(wire.topic(m).endswith("/") for m in MESSAGES.values())
