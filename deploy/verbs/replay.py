"""``bindstream replay``: a recording through a robot, as if its sensors were there again.

The same graph as ``run``: readers cannot tell it from a robot, but by its times and by the header,
which says that time is the streams'. ray is imported only once the environment is ready for it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bindstream.command.parser import positive
from deploy.live import private_ray


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="an MCAP, a bag of rosbag2, or a folder of files"
    )
    parser.add_argument(
        "--config", type=Path, metavar="C", help="whose encoder, words, scenes and ports are used"
    )
    parser.add_argument("--streams", metavar="A,B", help="only these (default: all)")
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="N",
        help="times as fast as recorded, or max: as fast as the encoder takes it (default 1)",
    )
    parser.add_argument(
        "--digest",
        action="store_true",
        help="print one hash per stream instead: equal where all vectors are equal to the bit",
    )
    parser.add_argument("--json", action="store_true", help="one object per line, no table")


def run(args: argparse.Namespace) -> int:
    """0 when all was played, 1 when something failed, 2 when refused (raised), 130 or 143 when a
    signal came before the end."""
    from deploy.live.stopping import Stopping

    stopping = Stopping()
    stopping.hear()

    private_ray.prepare()
    from deploy.live.replay import replay

    return replay(
        args.file,
        args.config,
        stopping,
        only=args.streams.split(",") if args.streams else [],
        speed=args.speed,
        digest=args.digest,
        as_json=args.json,
    )


def _speed(text: str) -> float | str:
    return text if text == "max" else positive(text)
