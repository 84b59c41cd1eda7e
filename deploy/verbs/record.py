"""``bindstream record``: what a running robot's sensors give and what it says, to MCAP.

A process of its own, on the robot's host, as the same user: it slows nothing and may be killed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from bindstream.command.parser import add_endpoint, one_or_more, positive
from bindstream.errors import ConfigError
from deploy.live.recorder import Recorder
from deploy.live.recording_files import RecordingFiles, Rotation
from deploy.live.stopping import Stopping
from sensors.ros2 import definitions
from sensors.ros2.packing import QUALITY, Codec

TELL_S = 1.0
SAY_S = 10.0
FIRST_S = 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    add_endpoint(parser)
    parser.add_argument(
        "--out", type=Path, metavar="F", help="the file (default: by the time, here)"
    )
    parser.add_argument("--streams", metavar="A,B", help="only these (default: all)")
    parser.add_argument(
        "--seconds",
        type=positive,
        metavar="N",
        help=f"stop N s after the robot was heard; exit 1 if it is not within {FIRST_S:.0f} s",
    )
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument(
        "--quality", type=_quality, default=QUALITY, metavar="Q", help="of JPEG (%(default)s)"
    )
    kept.add_argument(
        "--lossless", action="store_true", help="pictures as PNG, sound as floats: five times more"
    )
    parser.add_argument("--split-mb", type=positive, metavar="N", help="a new file every N MB")
    parser.add_argument("--split-s", type=positive, metavar="N", help="a new file every N seconds")
    parser.add_argument(
        "--keep", type=one_or_more, metavar="N", help="of split files, only the newest N stay"
    )
    parser.add_argument("--json", action="store_true", help="one object per second and line")


def run(args: argparse.Namespace) -> int:
    """0 when it was recorded, 1 when nothing was heard or the disk took no more, 2 when refused
    (raised)."""
    definitions.check()
    stopping = Stopping()
    stopping.hear()
    if args.keep and not (args.split_mb or args.split_s):
        raise ConfigError("--keep: of one file there is nothing to choose: add --split-mb N")
    path = args.out or Path(time.strftime("recording-%Y%m%d-%H%M%S.mcap"))
    most_bytes = None if args.split_mb is None else round(args.split_mb * 1e6)
    rotation = Rotation(most_bytes, args.split_s, args.keep)
    codec = Codec(None if args.lossless else args.quality)
    begun = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    files = RecordingFiles(path, codec, rotation, {"begun": begun, "endpoint": args.endpoint})
    only = {name.strip() for name in args.streams.split(",")} if args.streams else set()
    recorder = Recorder(args.endpoint, files, only)
    shown = _Shown(recorder, as_json=args.json)
    stopping.begin()
    recorder.run(_Until(recorder, stopping, shown, args.seconds).over)
    return shown.end(stopped=stopping.asked)


class _Until:
    """When it is over: told to, or ``seconds`` after the robot was heard."""

    def __init__(
        self, recorder: Recorder, stopping: Stopping, shown: _Shown, seconds: float | None
    ) -> None:
        self._recorder, self._stopping, self._shown = recorder, stopping, shown
        self._seconds = seconds
        self._until_s = float("inf") if seconds is None else time.monotonic() + FIRST_S
        self._heard = False

    def over(self) -> bool:
        if self._recorder.robot and not self._heard:
            self._heard = True
            if self._seconds is not None:
                self._until_s = time.monotonic() + self._seconds
        self._shown.show()
        return self._stopping.asked or time.monotonic() >= self._until_s


class _Shown:
    """A line now and then, and a last one."""

    def __init__(self, recorder: Recorder, *, as_json: bool) -> None:
        self._recorder, self._as_json = recorder, as_json
        self._told_s = time.monotonic()
        self._mute_told: list[str] = []
        if not as_json:
            _say(f"{recorder.files.path}: waiting for the robot; Ctrl-C ends it")

    def show(self) -> None:
        """Called a few times a second."""
        now_s = time.monotonic()
        if now_s - self._told_s < (TELL_S if self._as_json else SAY_S):
            return
        self._told_s = now_s
        if self._as_json:
            self._print("recording")
        else:
            _say(self._summary())
        mute = self._recorder.mute()
        if mute and mute != self._mute_told:
            self._mute_told = mute
            _say(
                f"no samples of {', '.join(mute)}: paused or absent; or the robot runs as another "
                "user, or with another BINDSTREAM_RUNTIME_DIR: then only what it says is recorded"
            )

    def end(self, *, stopped: bool) -> int:
        """Say how it went; the exit code."""
        if self._as_json:
            self._print("recorded")
        else:
            _say(self._summary())
        if self._recorder.failure:
            _say(f"{self._recorder.failure}: what was recorded until then can be read")
            return 1
        if not self._recorder.robot:
            _say("nothing was heard: is the robot running? bindstream status tells")
            return 0 if stopped else 1
        return 0

    def _print(self, kind: str) -> None:
        recorder = self._recorder
        told = {
            "kind": kind,
            "robot": recorder.robot,
            "files": [str(path) for path in recorder.files.written],
            "bytes": recorder.files.size,
            "samples": dict(recorder.files.counts),
            "lost": recorder.losses(),
            "failure": recorder.failure,
        }
        print(json.dumps(told), flush=True)

    def _summary(self) -> str:
        files, losses = self._recorder.files, self._recorder.losses()
        counts = ", ".join(f"{count} {name}" for name, count in sorted(files.counts.items()))
        lost = ", ".join(f"{count} {name}" for name, count in losses.items())
        said = f"{files.path}: {files.size / 1e6:.1f} MB; {counts or 'no samples yet'}"
        return f"{said}; lost: {lost}" if lost else said


def _say(text: str) -> None:
    print(f"bindstream record: {text}", file=sys.stderr, flush=True)


def _quality(text: str) -> int:
    found = one_or_more(text)
    if found > 100:
        raise argparse.ArgumentTypeError(f"wants 1 to 100, got '{text}'")
    return found
