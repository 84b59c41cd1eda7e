"""``bindstream listen``: print what a robot publishes. Works in the base install."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bindstream.subscriber import DEFAULT_ENDPOINT, Subscriber
from bindstream.types import Gap
from bindstream.wire import Message
from deploy.records import as_line, as_record

TOPICS = ("embedding/", "scene/", "event/")
SILENCE_S = 5.0
CONNECT_S = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``listen``."""
    parser.add_argument("endpoint", nargs="?", default=DEFAULT_ENDPOINT, help="%(default)s if none")
    parser.add_argument(
        "--topic",
        action="append",
        metavar="PREFIX",
        help=f"only topics that begin so; may be given again (default: {' '.join(TOPICS)};"
        " '' is everything, health too)",
    )
    parser.add_argument("--count", type=_positive_int, metavar="N", help="stop after N messages")
    parser.add_argument("--seconds", type=_positive, metavar="N", help="stop after N seconds")
    parser.add_argument("--latest", action="store_true", help="skip what a slow reader is late for")
    parser.add_argument("--json", action="store_true", help="one object per line")


def run(args: argparse.Namespace) -> int:
    """Print messages until told to stop; 1 if fewer came than were asked for."""
    topics = TOPICS if args.topic is None else args.topic
    started = time.monotonic()
    end = None if args.seconds is None else started + args.seconds
    printed, wanted = 0, args.count or 1
    with Subscriber(
        args.endpoint, topics, tombstones=True, latest=args.latest, on_gap=_tell_gap
    ) as stream:
        try:
            for message in _messages(stream, args.endpoint, topics, end):
                _print(message, json=args.json)
                printed += 1
                if printed == args.count:
                    break
        except KeyboardInterrupt:  # the usual end of an unbounded listen
            wanted = args.count or 0
        if not args.json:
            _tell(_summary(stream, printed))
    return 0 if printed >= wanted else 1


def _messages(
    stream: Subscriber, endpoint: str, topics: tuple[str, ...] | list[str], end: float | None
) -> Iterator[Message]:
    """What comes until ``end`` (time.monotonic seconds); says so once of every silence."""
    quiet_since, told = time.monotonic(), False
    while (now := time.monotonic()) < (end or float("inf")):
        until = quiet_since + SILENCE_S if not told else now + SILENCE_S
        wait_s = min(until, end or float("inf")) - now
        message = stream.receive(max(0.0, wait_s))
        if message is not None:
            quiet_since, told = time.monotonic(), False
            yield message
        elif not told and time.monotonic() >= quiet_since + SILENCE_S:
            _tell(_explain_silence(endpoint, topics))
            told = True


def _print(message: Message, *, json: bool) -> None:
    if json:
        print(msgspec.json.encode(as_record(message)).decode(), flush=True)
    else:
        print(as_line(message, colour=sys.stdout.isatty()), flush=True)


def _tell(text: str) -> None:
    print(f"listen: {text}", file=sys.stderr, flush=True)


def _tell_gap(gap: Gap) -> None:
    name = f"{gap.robot}/{gap.stream}" if gap.stream else f"scene of {gap.robot}"
    lost = gap.last - gap.first + 1
    _tell(f"{name}: {lost} lost on the way (epoch {gap.epoch}, seq {gap.first} to {gap.last})")


def _summary(stream: Subscriber, printed: int) -> str:
    stats = stream.stats()
    told = f"{printed} messages, {stats['lost']} lost on the way, {stats['duplicates']} duplicates"
    skipped = f", {stats['skipped']} skipped for newer ones" if stats["skipped"] else ""
    bad = f", {stats['malformed']} unreadable ({stats['last_malformed']})"
    return told + skipped + (bad if stats["malformed"] else "")


def _explain_silence(endpoint: str, topics: tuple[str, ...] | list[str]) -> str:
    silence = f"nothing from {endpoint} for {SILENCE_S:.0f} s"
    answers = _answers(endpoint)
    if answers is False:
        return f"{silence}: nobody listens there. Start a robot: bindstream run"
    asked = " ".join(repr(topic) for topic in topics)
    return f"{silence} on {asked}. What the streams say of themselves: bindstream status {endpoint}"


def _answers(endpoint: str) -> bool | None:
    """Whether somebody accepts connections at an endpoint; None where that cannot be told."""
    parts = urlsplit(endpoint)
    if parts.scheme == "ipc":
        return Path(endpoint.removeprefix("ipc://")).is_socket()
    try:
        with socket.create_connection((parts.hostname, parts.port or 0), timeout=CONNECT_S):
            return True
    except TimeoutError:
        return None
    except OSError:
        return False


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return value
