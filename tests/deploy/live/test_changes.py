"""What stands between two files, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bindstream.errors import ConfigError
from deploy.config.file import Config, load
from deploy.live.changes import changes, outcomes, refuse_unfit
from deploy.live.control import Outcome
from deploy.live.deployment import version
from tests.deploy.configs import IMU, TOY, document

DEPTH = {"name": "depth", "modality": "depth", "driver": "world", "options": {"modality": "depth"}}
OTHER = IMU | {"name": "other"}
PORTS = {"port": 8000, "publish": {"endpoint": "tcp://127.0.0.1:5570"}}
LABELS = {"who": {"words": ["dog", "cat"]}}


def file(folder: Path, *streams: dict[str, Any], **args: Any) -> Config:
    return of(folder, document(*(streams or (IMU, DEPTH)), **{**PORTS, **args}))


def of(folder: Path, content: dict[str, Any]) -> Config:
    path = folder / "robot.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load(path)


def kinds(before: Config, after: Config) -> dict[str, str]:
    """Of all that does not stay as it is."""
    made = changes(before.apps, after.apps)
    return {c.app: c.kind for c in made if c.kind != "unchanged"}


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        ({}, {}),
        ({"streams": [IMU, DEPTH | {"hop_s": 1.0}]}, {"stream-depth": "restarted"}),
        ({"streams": [IMU, DEPTH | {"hop_s": 0.5}]}, {"stream-depth": "restarted"}),
        ({"streams": [IMU]}, {"stream-depth": "removed", "robot": "reconfigured"}),
        ({"streams": [IMU, DEPTH, OTHER]}, {"stream-other": "added", "robot": "reconfigured"}),
        ({"labels": LABELS}, {"robot": "reconfigured"}),
        ({"scene": {"hop_s": 1.0}}, {"robot": "reconfigured"}),
        ({"expect": ["imu"]}, {"robot": "reconfigured"}),
        ({"publish": {"endpoint": "tcp://127.0.0.1:5580"}}, {"robot": "restarted"}),
        ({"publish": {"endpoint": "127.0.0.1:5570"}}, {}),
        ({"encoder": TOY | {"threads": 2}}, {"encoder": "restarted"}),
        ({"encoder": TOY | {"threads": 1, "device": "auto"}}, {}),
        ({"encoder": {"encoder": TOY, "more": TOY}}, {"more": "added"}),
    ],
)  # fmt: skip
def test_only_what_differs_is_touched(tmp_path, after, wanted):
    """Breaks if an edit restarts more than it names, or leaves what it names as it was; values
    that only say the default in other words are no edit, but a hop that is stated is one."""
    before = file(tmp_path)
    streams = after.pop("streams", ())
    assert kinds(before, file(tmp_path, *streams, **after)) == wanted


def test_order_and_spelling_of_the_file_do_not_count(tmp_path):
    """Breaks if a robot restarts because somebody sorted its file. Serve is told the versions of
    the applications: those must not move either."""
    content = document(IMU, DEPTH, **PORTS)
    before = of(tmp_path, content)
    content["applications"].reverse()
    for app in content["applications"]:
        app["args"] = dict(reversed(app["args"].items()))
    after = of(tmp_path, content)
    assert kinds(before, after) == {}
    assert {a.name: version(a) for a in before.apps} == {a.name: version(a) for a in after.apps}


def test_a_route_is_part_of_what_restarts(tmp_path):
    """Breaks if a robot's new route is told by `apply` as unchanged, or is never taken."""
    content = document(IMU, **PORTS)
    before = of(tmp_path, content)
    content["applications"][-1]["route_prefix"] = "/rover"
    after = of(tmp_path, content)
    assert kinds(before, after) == {"robot": "restarted"}
    assert version(before.apps[-1]) != version(after.apps[-1])


def test_labels_are_no_part_of_what_restarts(tmp_path):
    """Breaks if Serve would take a new question for a new version of the publisher."""
    before, after = file(tmp_path), file(tmp_path, labels=LABELS)
    assert [version(a) for a in before.apps] == [version(a) for a in after.apps]


def test_a_stream_that_is_new_has_no_epoch_before(tmp_path):
    """Breaks if an earlier stream of that name lends its epoch to a new one, or if the last epoch
    of one that was removed is not told."""
    before, after = file(tmp_path), file(tmp_path, IMU, DEPTH | {"name": "b"})
    epochs = {("robot", "imu"): 3, ("robot", "depth"): 4, ("robot", "b"): 2}
    new = {("robot", "imu"): 3, ("robot", "b"): 5}
    made = changes(before.apps, after.apps)
    told = outcomes(made, (before.apps, after.apps), (epochs, new))
    assert {o.app: o for o in told if o.app.startswith("stream")} == {
        "stream-imu": Outcome("stream-imu", "unchanged", 3, 3),
        "stream-b": Outcome("stream-b", "added", 0, 5),
        "stream-depth": Outcome("stream-depth", "removed", 4, 0),
    }
    assert {(o.epoch_before, o.epoch_after) for o in told if o.app in ("robot", "encoder")} == {
        (0, 0)
    }


def test_what_no_application_can_become_is_refused(tmp_path):
    """Breaks if `apply` says that all is done and HTTP stays where it was, or if a file of quite
    another robot ends the one that runs."""
    running = file(tmp_path)
    refuse_unfit(running, file(tmp_path, labels=LABELS))
    with pytest.raises(ConfigError, match=r"http_options is .*8001.* cannot change while it runs"):
        refuse_unfit(running, file(tmp_path, port=8001))
    other = [s | {"robot": "rover"} for s in (IMU, DEPTH)]
    with pytest.raises(ConfigError, match=r"none of the robots that run here \(robot\)"):
        refuse_unfit(running, file(tmp_path, *other, robot={"name": "rover"}))
