"""``bindstream index``: recordings -> embeddings in Parquet, many at once, on Ray Data.

The same windows and vectors as ``replay`` gives, without a robot between: no scenes, no words. What
was interrupted goes on where it was when it is asked for again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bindstream.command.parser import one_or_more
from bindstream.errors import ConfigError
from deploy.live import private_ray

if TYPE_CHECKING:
    from deploy.live.stopping import Stopping


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="an MCAP, a rosbag2, a folder of files"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the Parquet files go"
    )
    parser.add_argument(
        "--config", type=Path, metavar="C", help="whose encoder and streams' settings are used"
    )
    parser.add_argument(
        "--workers", type=one_or_more, default=1, metavar="N", help="encoders at a time (default 1)"
    )
    parser.add_argument(
        "--batch",
        type=one_or_more,
        default=1,
        metavar="N",
        help="windows encoded at once: more pays on a GPU; 1 gives a replay's bits (default 1)",
    )
    parser.add_argument("--address", metavar="A", help="of a Ray cluster; default: one of its own")
    parser.add_argument("--json", action="store_true", help="one object per stream, then the sum")


def run(args: argparse.Namespace) -> int:
    """0 when all was indexed, 1 when something could not be, 2 when refused (raised), 128 + the
    signal when stopped before the end."""
    from deploy.live.stopping import Stopping

    stopping = Stopping()
    stopping.hear()
    if args.address is None:
        private_ray.prepare()
    return _index(args, stopping)


def _index(args: argparse.Namespace, stopping: Stopping) -> int:
    from deploy.config.file import shipped_path
    from deploy.index.indexing import Indexing, check_library
    from deploy.index.job import planned
    from deploy.index.pool import STORE_BYTES
    from deploy.index.progress import Shown
    from deploy.live import leftovers
    from deploy.live.attached_ray import AttachedRay
    from deploy.live.private_ray import PrivateRay
    from deploy.live.session import leave

    check_library()
    begun_s = time.monotonic()
    job = planned(args.files, args.config or shipped_path(), args.batch)
    if not job.streams:
        raise ConfigError("\n".join(job.faults) or "nothing to index")
    if args.address is None:
        leftovers.reap()
    indexing = Indexing(job, args.out, args.workers)
    for line in (*indexing.notes, *job.faults):
        print(f"bindstream index: {line}", file=sys.stderr)
    cpus = max(pool.cpus for pool in indexing.pools.values())
    ray = AttachedRay(args.address) if args.address else PrivateRay(cpus, STORE_BYTES)
    stopping.begin()
    try:
        with Shown(indexing.streams, args.json) as show:
            indexing.run(ray, show, stopping)
            for line in indexing.faults[len(job.faults) :]:
                show.fault(line)
            show.summary(indexing.usage, time.monotonic() - begun_s, indexing.told())
    finally:
        ray.end()
    code = stopping.exit_code if stopping.asked else int(bool(indexing.faults))
    leave(code)
    return code
