"""What the simulated world costs: CPU time per window of a scene, and of a live second.

    python -m benchmarks.world [--scenes N]

One thread; process CPU time, so that a busy machine changes little.
"""

from __future__ import annotations

import argparse
import time

import cv2

from bindstream.types import SENSED
from sensors.world.drawings import keep_all
from sensors.world.driver import World
from sensors.world.observations import observe

LIVE_S = 10


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=500)
    count = parser.parse_args().scenes
    cv2.setNumThreads(1)
    keep_all()
    for index in range(count):  # skins and voices are drawn once
        observe(0, index)
    print(f"{'sensor':10}{'ms per scene':>14}{'% of a core, live':>20}")
    for modality in SENSED:
        scene_ms = _scene_ms([modality], count)
        print(f"{modality:10}{scene_ms:14.2f}{_live_percent(modality):20.2f}")
    print(f"{'all five':10}{_scene_ms(None, count):14.2f}")


def _scene_ms(sensors: list[str] | None, count: int) -> float:
    begin = time.process_time()
    for index in range(count):
        observe(0, index, sensors=sensors)
    return (time.process_time() - begin) / count * 1e3


def _live_percent(modality: str) -> float:
    """Ten seconds of a live stream, read as soon as each batch is there, without the waiting."""
    now_ns = time.time_ns()

    def clock() -> int:
        return now_ns

    driver = World("bench", modality=modality, script="tour")
    driver.open(clock)
    begin = time.process_time()
    for _ in range(LIVE_S * 100):
        now_ns += 10_000_000
        driver.read(0.0)
    return (time.process_time() - begin) / LIVE_S * 100


if __name__ == "__main__":
    main()
