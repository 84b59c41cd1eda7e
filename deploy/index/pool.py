"""The dataflow on Ray Data: tasks cut a recording's streams, a pool of encoders answers.

Rows are pickled bundles, one a block, so that the encoders get the first while the rest of a long
recording is still being cut; what nobody has encoded yet is bounded by Ray Data's own measure.
"""

from __future__ import annotations

import logging
import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bindstream.errors import ConfigError
from bindstream.formats import WindowFormat
from deploy.config.arguments import EncoderArgs
from deploy.index.bundle import Answer, bundled
from deploy.index.worker import COLUMN, Worker
from pipeline.past import PastStream
from pipeline.plan import StreamPlan

CUTTER_CPUS = 0.5
"""Of one cutting task. Another number than an encoder's: Ray Data would else run both in one."""
STORE_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Cutting:
    """One stream to be cut, as a task is told. ``done``: the parts that nobody needs again."""

    stream: int
    plan: StreamPlan
    form: WindowFormat
    done: frozenset[int]


@dataclass(frozen=True, slots=True)
class Pool:
    """``workers`` encoders of these arguments, and whoever cuts for them."""

    args: EncoderArgs
    workers: int

    @property
    def needs(self) -> dict[str, Any]:
        """Of one encoder, as Ray has it: num_cpus, num_gpus, ..."""
        return {"num_cpus": 1, **self.args.ray_actor_options}

    @property
    def cutters(self) -> int:
        """Streams that are cut at once: one more than encoders, two at least."""
        return max(2, self.workers + 1)

    @property
    def cpus(self) -> int:
        """What Ray must believe in for all to run at once."""
        encoding: float = self.workers * self.needs["num_cpus"]
        return math.ceil(encoding + self.cutters * CUTTER_CPUS) + 1

    def check(self) -> None:
        """Raises ConfigError on a cluster that is too small for them: they would wait for ever."""
        import ray

        held = ray.cluster_resources()
        wanted = {"CPU": self.workers * self.needs["num_cpus"] + CUTTER_CPUS}
        wanted["GPU"] = self.workers * self.needs.get("num_gpus", 0)
        for kind, count in wanted.items():
            if count > held.get(kind, 0):
                raise ConfigError(
                    f"{self.workers} workers need {count:g} {kind}s, and this Ray has "
                    f"{held.get(kind, 0):g}: fewer --workers"
                )

    def answers(self, cuttings: Sequence[Cutting]) -> Iterator[Answer]:
        """Those to all bundles of all streams, in whatever order. Raises what Ray raises."""
        import ray.data
        from ray.data import ActorPoolStrategy, TaskPoolStrategy

        _quiet(ray.data)
        rows = [{COLUMN: pickle.dumps(cutting, 5)} for cutting in cuttings]
        forms = {cutting.plan.modality: cutting.form for cutting in cuttings}
        cut = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            cut_rows,
            batch_size=1,
            num_cpus=CUTTER_CPUS,
            compute=TaskPoolStrategy(size=self.cutters),
        )
        encoded = cut.map_batches(
            Worker,
            fn_constructor_kwargs={"args": self.args, "forms": forms},
            batch_size=1,
            compute=ActorPoolStrategy(size=self.workers, max_tasks_in_flight_per_actor=3),
            **self.needs,
        )
        for batch in encoded.iter_batches(batch_size=None, prefetch_batches=0):
            yield from (pickle.loads(row) for row in batch[COLUMN])  # noqa: S301 - our own actors'


def cut_rows(rows: Mapping[str, Any]) -> Iterator[dict[str, list[bytes]]]:
    """A task of Ray Data: rows of cuttings -> rows of bundles."""
    for row in rows[COLUMN]:
        cutting: Cutting = pickle.loads(row)  # noqa: S301 - of this program, through Ray's own hands
        past = PastStream(cutting.plan, cutting.form)
        for bundle in bundled(cutting.stream, past.outcomes(), past.counters, cutting.done):
            yield {COLUMN: [pickle.dumps(bundle, 5)]}


def _quiet(data: Any) -> None:
    """Our own bar is shown, not theirs; a row is a block."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = 1
    context.log_internal_stack_trace_to_stdout = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
