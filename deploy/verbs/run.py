"""``bindstream run``: everything on this machine, with a live table, until Ctrl-C.

Starts a private Ray (``--address`` attaches to one that runs). ray is imported only once the
environment says how it is to authenticate: it reads that at import, for good.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bindstream.command.parser import positive
from deploy.live import private_ray
from deploy.live.patience import FIRST_S


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="a ray_config.yaml")
    parser.add_argument(
        "--seconds",
        type=positive,
        metavar="N",
        help=f"stop N s after the first vector; exit 1 if none comes within {FIRST_S:.0f} s",
    )
    parser.add_argument("--json", action="store_true", help="one object per line, no table")
    parser.add_argument("--address", metavar="A", help="use the Ray at this address")


def run(args: argparse.Namespace) -> int:
    """0 when vectors came, 1 when none did or something failed, 2 when refused (raised), 130 or
    143 when a signal came before the first vector."""
    from deploy.live.stopping import Stopping

    stopping = Stopping()
    stopping.hear()

    if not args.address:
        private_ray.prepare()
    from deploy.live.session import live

    return live(
        args.config, stopping, seconds=args.seconds, as_json=args.json, address=args.address
    )
