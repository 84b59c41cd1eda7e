"""``bindstream listen``: print what a robot publishes. Works in the base install."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator

from bindstream.command.parser import add_endpoint, one_or_more, positive
from bindstream.command.reach import why_nothing
from bindstream.command.records import as_json, as_line
from bindstream.subscriber import Subscriber
from bindstream.types import Gap
from bindstream.wire import Message

TOPICS = ("embedding/", "scene/", "event/")
SILENCE_S = 5.0
EXPLAINED = """\
a line is: time, kind, robot/stream, modality, #seq, age, nearest words.
  age       ms from the end of the window to its arrival here; blank (--json:
            null) where this machine's clock is not known to be the robot's
  #seq      counts a stream's windows; a dropped one keeps its number
  n missing frames or samples that the sensor did not give for this window
--json has start_ns and end_ns (Unix time in ns), the vector and its space_id:
compare vectors of one space_id only.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``listen``."""
    parser.epilog = EXPLAINED
    add_endpoint(parser)
    parser.add_argument(
        "--topic",
        action="append",
        metavar="PREFIX",
        help=f"only topics that begin so; may be given again (default: {' '.join(TOPICS)};"
        " '' is everything, health too)",
    )
    parser.add_argument("--count", type=one_or_more, metavar="N", help="stop after N messages")
    parser.add_argument("--seconds", type=positive, metavar="N", help="stop after N seconds")
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
    """What comes until ``end`` (time.monotonic seconds); says so once of every silence, and at
    the end if nothing came at all."""
    begun = quiet_since = time.monotonic()
    heard = told = False
    while (now := time.monotonic()) < (end or float("inf")):
        until = quiet_since + SILENCE_S if not told else now + SILENCE_S
        wait_s = min(until, end or float("inf")) - now
        message = stream.receive(max(0.0, wait_s))
        if message is not None:
            quiet_since, heard, told = time.monotonic(), True, False
            yield message
        elif not told and time.monotonic() >= quiet_since + SILENCE_S:
            _tell_silence(endpoint, topics, SILENCE_S)
            told = True
    if not heard and not told:
        _tell_silence(endpoint, topics, time.monotonic() - begun)


def _print(message: Message, *, json: bool) -> None:
    if json:
        print(as_json(message), flush=True)
    else:
        print(as_line(message, colour=_colours()), flush=True)


def _tell(text: str) -> None:
    print(f"listen: {text}", file=sys.stderr, flush=True)


def _tell_silence(endpoint: str, topics: tuple[str, ...] | list[str], seconds: float) -> None:
    _tell(f"nothing from {endpoint} for {seconds:.3g} s: {why_nothing(endpoint, topics)}")


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


def _colours() -> bool:
    """Only on a terminal that has them, and where nobody asked for none (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
