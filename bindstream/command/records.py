"""A message as people and scripts read it: one line of text, or one JSON object. Pure."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import numpy as np

from bindstream import wire
from bindstream.types import Embedding, Event, Health, Member, Scene, Tombstone, Vector
from bindstream.wire import Message

_COLOURS = {
    "embedding": "32",
    "scene": "36",
    "tombstone": "33",
    "event": "35",
    "health": "34",
}


def as_record(message: Message) -> dict[str, Any]:
    """A message -> the object that ``listen --json`` prints.

    Every kind has the same first fourteen keys, null where the kind has no such thing;
    ``words``, ``reason``, ``members``, ``name``, ``state`` and ``detail`` follow where they exist.
    """
    record: dict[str, Any] = {
        "topic": wire.topic(message),
        "kind": kind_of(message),
        "robot": message.robot,
        "stream": getattr(message, "stream", None),
        "modality": getattr(message, "modality", None),
        "epoch": getattr(message, "epoch", None),
        "seq": getattr(message, "seq", None),
        "start_ns": getattr(message, "start_ns", None),
        "end_ns": getattr(message, "end_ns", None),
        "age_ms": getattr(message, "age_ms", None),
        "space_id": getattr(message, "space_id", None),
    }
    return record | _vector(getattr(message, "vector", None)) | _own(message)


def as_json(message: Message) -> str:
    """The object on one line, of ASCII alone, so that every terminal and pipe can carry it."""
    line = msgspec.json.encode(as_record(message)).decode()
    return line if line.isascii() else json.dumps(msgspec.json.decode(line))


def as_line(message: Message, *, colour: bool = False) -> str:
    """A message -> one line for people, its kind coloured if ``colour``."""
    kind = kind_of(message)
    head = f"{kind:9}"
    if colour:
        head = f"\x1b[{_COLOURS[kind]}m{head}\x1b[0m"
    return f"{_clock(message)}  {head}  {_source(message):24}  {_told(message)}".rstrip()


def kind_of(message: Message) -> str:
    """embedding | tombstone | scene | event | health."""
    return type(message).__name__.lower()


def _vector(vector: Vector | None) -> dict[str, Any]:
    if vector is None:
        return {"dim": None, "norm": None, "vector": None}
    norm = float(np.linalg.norm(vector))
    return {"dim": len(vector), "norm": norm, "vector": vector.tolist()}


def _own(message: Message) -> dict[str, Any]:
    match message:
        case Embedding():
            return {"words": message.words}
        case Tombstone():
            return {"reason": message.reason}
        case Scene():
            members = [_member(m) for m in message.members]
            return {"words": message.words, "members": members}
        case Event():
            return {"name": message.name, "t_ns": message.t_ns, "detail": message.detail}
        case Health():
            return {"state": message.state, "t_ns": message.t_ns, "detail": message.detail}


def _member(member: Member) -> dict[str, Any]:
    return {
        "stream": member.stream,
        "modality": member.modality,
        "seq": member.seq,
        "weight": member.weight,
        "age_ms": member.age_ms,
    }


def _clock(message: Message) -> str:
    t_ns = message.t_ns if isinstance(message, Event | Health) else message.end_ns
    seconds, rest_ns = divmod(t_ns, 10**9)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest_ns // 10**6:03}"


def _source(message: Message) -> str:
    stream = getattr(message, "stream", "")
    return f"{message.robot}/{stream}" if stream else message.robot


def _told(message: Message) -> str:
    match message:
        case Embedding():
            counted = f"{message.modality:8} #{message.seq:<6} {_age(message.age_ms)}"
            missing = f"  {message.n_missing} missing" if message.n_missing else ""
            return counted + missing + _words(message.words)
        case Tombstone():
            return f"{message.modality:8} #{message.seq:<6} dropped: {message.reason}"
        case Scene():
            present = sum(m.seq >= 0 for m in message.members)
            share = f"{present}/{len(message.members)} streams"
            return f"{share:8} #{message.seq:<6} {_age(message.age_ms)}" + _words(message.words)
        case Event():
            return f"{message.name}{_details(message.detail)}"
        case Health():
            return f"{message.state}{_details(_flat(message.detail))}"


def _age(age_ms: float | None) -> str:
    return " " * 11 if age_ms is None else f"age {age_ms:4.0f} ms"


def _words(words: dict[str, str]) -> str:
    return "".join(f"  {question}: {word}" for question, word in words.items())


def _details(detail: dict[str, Any]) -> str:
    return "".join(f"  {key}={value}" for key, value in detail.items())


def _flat(detail: dict[str, Any]) -> dict[str, Any]:
    """The plain values of a health message; its tables are for ``status``."""
    return {k: v for k, v in detail.items() if v not in ("", None) and not isinstance(v, dict)}
