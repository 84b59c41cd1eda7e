"""How one stream is: what is in its way, in words, and all of it as plain data. Pure."""

from __future__ import annotations

from typing import Any

from pipeline.publisher.stream import Stream

STAGE_NAMES = ("capture", "window", "queue", "encode", "hop", "publish")


def why(stream: Stream, now_ns: int) -> tuple[str, int]:
    """(What is in the way, in words; since when, on the host's clock); ('', 0) where nothing is."""
    pulse = stream.pulse
    said = pulse.said
    if pulse.ended:
        return pulse.refusal or (said.why if said else ""), 0
    if pulse.failed or not pulse.met:
        return pulse.silence(now_ns), pulse.heard_ns
    if said is None:
        return "has not told its state yet", pulse.heard_ns
    if said.why or said.state != "running":
        return said.why, pulse.changed_ns if said.why else 0
    return drought(stream, now_ns)


def ailment(stream: Stream, now_ns: int) -> str:
    """Why it is not delivering; '' when it is, or when nothing more is to come."""
    state = stream.pulse.state
    if state == "ended":
        return ""
    if state in ("opening", "failed", "stopped"):
        return why(stream, now_ns)[0] or state
    if stream.flow.newest is None:
        return why(stream, now_ns)[0] or "nothing published yet"
    return drought(stream, now_ns)[0]


def drought(stream: Stream, now_ns: int) -> tuple[str, int]:
    """(Why no vector comes while the sensor runs; since when); ('', 0) while they come."""
    is_open = stream.ledger.first() is not None
    return stream.flow.drought(now_ns, stream.pulse.changed_ns, stream.hop_ns, is_open=is_open)


def detail(stream: Stream, now_ns: int, robot_ns: int) -> dict[str, Any]:
    """All of it as plain data, for health messages and HTTP. Silences are of the host's time,
    ages and rates of the robot's."""
    said, newest, about = stream.pulse.said, stream.flow.newest, stream.about
    ages = stream.flow.ages.summary(robot_ns)
    words, since_ns = why(stream, now_ns)
    return {
        **(said.counters if said else {}),
        "modality": about.modality.value if about else "",
        "app": about.app if about else "",
        "epoch": stream.epoch,
        "why": words,
        "since_ns": since_ns,
        "rate_hz": said.rate_hz if said and not stream.pulse.failed else 0.0,
        "wanted_rate_hz": said.wanted_rate_hz if said else 0.0,
        "published_hz": stream.flow.ages.rate_hz(robot_ns),
        "ledger": stream.ledger.accounts(),
        "age_ms": ages["age"],
        "stages_ms": {name: ages[name].get("p50") for name in STAGE_NAMES},
        "words": dict(newest.words) if newest else {},
        "last_end_ns": newest.end_ns if newest else 0,
    }
