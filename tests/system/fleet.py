"""Two robots in one file that share an encoder, and what a reader of both sees while it changes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from bindstream import Embedding, Event, Scene, Subscriber, Tombstone
from tests.patience import Stalls, until
from tests.system.robot import free_port

HOP_S = 0.5
MISSED_HOPS = 1
"""So many windows in a row may give no vector while another application is replaced."""
Place: TypeAlias = tuple[str, str]
"""A stream: its robot and its name, which other robots may use too."""
LABELS = {"where": {"words": ["here", "there"]}}


class Fleet:
    """The file as it is to be: change the fields, then ``document()``."""

    def __init__(self) -> None:
        self.http_port = free_port()
        self.ports = {"one": free_port(), "two": free_port()}
        self.streams: dict[str, dict[str, Any]] = {
            "one-a": _stream("one", "a", "depth"),
            "one-b": _stream("one", "b", "thermal"),
            "one-c": _stream("one", "c", "depth"),
            "two-a": _stream("two", "a", "depth"),
        }
        self.live: dict[str, Any] = {"labels": LABELS}
        self.version = "1"

    @property
    def endpoints(self) -> list[str]:
        return [f"tcp://127.0.0.1:{port}" for port in self.ports.values()]

    @property
    def places(self) -> set[Place]:
        return {(s["robot"], s["name"]) for s in self.streams.values()}

    def add(self, robot: str, name: str, modality: str) -> None:
        self.streams[f"{robot}-{name}"] = _stream(robot, name, modality)

    def document(self) -> dict[str, Any]:
        toy = {
            "kind": "tests.system.toy_encoder:ToyEncoder",
            "weights": None,
            "options": {"version": self.version, "slow_s": 0.01},
        }
        apps = [_app("encoder", "encoder", None, toy)]
        apps += [_app(name, "stream", None, one) for name, one in self.streams.items()]
        for (name, port), route in zip(self.ports.items(), ("/", "/two"), strict=True):
            publish = {"endpoint": f"tcp://127.0.0.1:{port}"}
            robot = _app(name, "robot", route, {"name": name, "publish": publish})
            live = self.live if name == "one" else {}
            robot["deployments"] = [{"name": "publisher", "user_config": live}]
            apps.append(robot)
        return {
            "proxy_location": "HeadOnly",
            "http_options": {"host": "127.0.0.1", "port": self.http_port},
            "applications": apps,
        }


def _stream(robot: str, name: str, modality: str) -> dict[str, Any]:
    options = {"modality": modality}
    shared = {"robot": robot, "name": name, "modality": modality, "hop_s": HOP_S}
    return shared | {"driver": "world", "options": options}


def _app(name: str, builder: str, route: str | None, args: dict[str, Any]) -> dict[str, Any]:
    path = f"deploy.app:{builder}"
    return {"name": name, "route_prefix": route, "import_path": path, "args": args}


class Watch:
    """Reads all that both robots publish, in a thread, from before their start to the end."""

    def __init__(self, endpoints: list[str]) -> None:
        self.seen: list[Any] = []
        self._endpoints = endpoints
        self.stalls = Stalls()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Watch:
        self.stalls.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._stop.set()
        self._thread.join()
        self.stalls.__exit__()

    def _read(self) -> None:
        with Subscriber(self._endpoints, topics=[""], tombstones=True) as reader:
            while not self._stop.is_set():
                if (message := reader.receive(0.2)) is not None:
                    self.seen.append(message)

    def outcomes(self, place: Place, since: int = 0) -> list[Embedding | Tombstone]:
        """Vectors and tombstones of a stream, in the order of their arrival."""
        found = (m for m in self.seen[since:] if isinstance(m, Embedding | Tombstone))
        return [m for m in found if (m.robot, m.stream) == place]

    def newest(self, place: Place) -> tuple[int, int]:
        """Epoch and seq; (0, -1) before the first."""
        of = self.outcomes(place)
        return (of[-1].epoch, of[-1].seq) if of else (0, -1)

    def events(self, name: str, since: int = 0) -> list[Event]:
        return [m for m in self.seen[since:] if isinstance(m, Event) and m.name == name]

    def until(self, what: str, condition: Callable[[], Any]) -> None:
        until(condition, lambda: f"{what}: {self.seen[-3:]}", 240.0)

    def until_more(self, places: set[Place], n: int = 4) -> None:
        """Each of the streams has said more vectors than by now."""
        at = len(self.seen)

        def come() -> bool:
            news = {
                p: [m for m in self.outcomes(p, at) if isinstance(m, Embedding)] for p in places
            }
            return all(len(of) >= n for of in news.values())

        self.until(f"{n} vectors of each of {sorted(places)}", come)


def widest_s(said: Sequence[Embedding | Tombstone]) -> float:
    """The longest time from the end of a window with a vector to that of the next."""
    ends = [m.end_ns for m in said if isinstance(m, Embedding)]
    return max((b - a for a, b in pairwise(ends)), default=0) / 1e9


def check_untouched(watch: Watch, before: dict[Place, tuple[int, int]], quiet_s: float) -> None:
    """Since ``before``: one epoch, every seq once and in order, no vector missed but one hop.

    ``quiet_s`` is the widest gap that this machine made while nothing was changed: a busy one is
    no fault of the change, nor is what it lost in the gap itself.
    """
    for place, (epoch, seq) in before.items():
        said = [m for m in watch.outcomes(place) if (m.epoch, m.seq) >= (epoch, seq)]
        assert {m.epoch for m in said} == {epoch}, f"{place} has started anew"
        assert [m.seq for m in said] == list(range(seq, seq + len(said))), place
        reasons = Counter(str(m.reason) for m in said if isinstance(m, Tombstone))
        assert not reasons.keys() & {"shutdown", "crash_lost"}, (place, reasons)
        for one, other in pairwise([m for m in said if isinstance(m, Embedding)]):
            gap_s = (other.end_ns - one.end_ns) / 1e9
            lost_s = watch.stalls.lost_s(one.end_ns, other.received_ns)
            allowed_s = max((1 + MISSED_HOPS) * HOP_S, quiet_s) + lost_s
            assert gap_s <= allowed_s, f"{place}: a gap of {gap_s} s, {reasons}"


def check_accounts(watch: Watch) -> None:
    """Every epoch of every stream: each seq has one outcome, the first is 0 where we saw the
    epoch begin."""
    epochs: dict[tuple[str, str, int], list[int]] = {}
    for m in watch.seen:
        if isinstance(m, Embedding | Tombstone):
            epochs.setdefault((m.robot, m.stream, m.epoch), []).append(m.seq)
    for (robot, stream, epoch), seqs in epochs.items():
        ordered = sorted(seqs)
        assert ordered == list(range(ordered[0], ordered[0] + len(seqs))), (robot, stream, epoch)


def check_scenes(watch: Watch, robot: str) -> None:
    """Scenes go on through every change: one epoch, no seq missing."""
    scenes = [m for m in watch.seen if isinstance(m, Scene) and m.robot == robot]
    assert len({s.epoch for s in scenes}) == 1
    assert [s.seq for s in scenes] == list(range(scenes[0].seq, scenes[0].seq + len(scenes)))


def rows(
    watch: Watch, before: dict[Place, tuple[int, int]], now: set[Place], what: str
) -> Iterator[str]:
    """The table of a change, for whoever reads the test's output."""
    for place in sorted(before.keys() | now):
        (e1, s1), (e2, s2) = before.get(place, (0, -1)), watch.newest(place)
        kept = "removed" if place not in now else "untouched" if e1 == e2 else "new epoch"
        name = "/".join(place)
        yield f"{what:22} {name:7} epoch {e1:>3} -> {e2:>3}   seq {s1:>4} -> {s2:>4}   {kept}"
