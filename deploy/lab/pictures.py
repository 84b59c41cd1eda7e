"""Scenes of the simulated world as windows, and as a folder of pairs to train on."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from bindstream.types import SENSED, Array, Modality, Window
from deploy.lab.captions import truth_words
from encoders.bind import inputs as bind_inputs
from encoders.bind import tiny
from encoders.bind.inputs import Rows
from sensors.world.drawings import keep_all
from sensors.world.observations import Observation, observe

_CHUNK = 200
_LENGTH_S = {Modality.VISION: 0.25, Modality.AUDIO: 2.0, Modality.IMU: 5.0}
Words = dict[str, list[str]]


def windows(seen: Observation, seq: int = 0) -> dict[Modality, Window]:
    """What a robot's streams would have cut at the end of that scene, by modality."""
    data = {
        Modality.VISION: seen.frames,
        Modality.AUDIO: seen.audio,
        Modality.DEPTH: seen.depth,
        Modality.THERMAL: seen.thermal,
        Modality.IMU: seen.imu,
    }
    return {m: _window(m, d, seen, seq) for m, d in data.items() if d is not None}


def scene(seed: int, index: int, split: str) -> tuple[dict[Modality, Window], Words]:
    """Scene ``index``: its windows and its true words."""
    seen = observe(seed, index, split)
    return windows(seen, index), truth_words(seen.truth)


def render(
    folder: Path,
    count: int,
    *,
    seed: int,
    split: str = "train",
    workers: int = 2,
    report: Callable[[int], None] = lambda _: None,
) -> None:
    """Write ``count`` scenes as a folder of pairs (`encoders.bind.pairs`), in parallel.

    ``report`` gets the number of scenes done since its last call. The folder appears whole or
    not at all.
    """
    part = folder.with_name(folder.name + ".part")
    bind_inputs.create(part, _rows(), list(SENSED), count)
    truth: dict[int, Words] = {}
    fresh = multiprocessing.get_context("spawn")  # torch and fork do not go together
    # Ctrl-C reaches the workers too: they end at once and leave the telling to us.
    quiet = (signal.SIGINT, signal.SIG_DFL)
    with ProcessPoolExecutor(workers, fresh, signal.signal, quiet) as pool:
        jobs = [
            pool.submit(_render_chunk, part, seed, split, start, min(start + _CHUNK, count))
            for start in range(0, count, _CHUNK)
        ]
        try:
            for job in as_completed(jobs):
                done = job.result()
                truth |= done
                report(len(done))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    (part / "truth.json").write_text(json.dumps([truth[n] for n in range(count)]))
    part.replace(folder)


def _rows() -> Rows:
    return Rows(tiny.card(Path("none"), vocab_size=4))


def _render_chunk(folder: Path, seed: int, split: str, first: int, end: int) -> dict[int, Words]:
    keep_all()  # a process of the pool: its scenes share a few hundred drawings
    rows = _rows()
    arrays = {m: np.load(folder / f"{m}.npy", mmap_mode="r+") for m in SENSED}
    truth = {}
    for index in range(first, end):
        cut, truth[index] = scene(seed, index, split)
        for modality, window in cut.items():
            arrays[modality][index] = rows(window)
    return truth


def _window(modality: Modality, data: Array, seen: Observation, seq: int) -> Window:
    end_ns = round(seen.t_s * 1e9)
    meta: Any = seen.meta.get(modality)
    return Window(
        robot="world",
        stream=str(modality),
        modality=modality,
        epoch=1,
        seq=seq,
        start_ns=end_ns - round(_LENGTH_S.get(modality, 0.0) * 1e9),
        end_ns=end_ns,
        data=data,
        meta=meta,
    )
