"""Why a topic gives nothing, or not what is wanted: what the router knows of its publishers. Pure.

Told apart: no such topic, the topic of another domain, another type, another definition of the
type, one that is announced and silent, one that nobody announced.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bindstream.command.nearest import did_you_mean
from bindstream.errors import DeviceError, DeviceUnavailable, WrongFormat
from sensors.ros2 import definitions as ros
from sensors.ros2 import keys
from sensors.ros2.keys import Announced
from sensors.ros2.session import Place

SHOWN = 12
HUMBLE = (
    "its publisher is of ROS 2 Humble, whose keys hold no hash of the type: whether its definition "
    "is ours cannot be checked"
)


def silence(
    stream: str, topic: str, place: Place, kinds: Collection[str], known: Sequence[Announced]
) -> DeviceError:
    """Why nothing came from a topic, of what all publishers announced."""
    here = [one for one in known if one.domain_id == place.domain_id]
    ours = [one for one in here if one.topic == topic]
    for one in ours:
        if fault := mismatch(one.kind, one.type_hash, kinds):
            return WrongFormat(stream, f"{topic} of {one.node} {fault}")
    if ours:
        who = ", ".join(sorted({one.node for one in ours}))
        return DeviceUnavailable(
            stream, f"{who} announces {topic}, but nothing comes from it through {place}"
        )
    return DeviceUnavailable(stream, _absent(topic, place, here, known))


def mismatch(kind: str, type_hash: str, kinds: Collection[str]) -> str:
    """What is wrong with messages of that type and hash; "" where nothing is."""
    if kind not in kinds:
        return f"gives {kind}: wanted {' or '.join(sorted(kinds))}"
    if type_hash in (keys.NO_HASH, ros.type_hash(kind)):
        return ""
    return (
        f"has another definition of {kind}: its hash is {type_hash}, ours {ros.type_hash(kind)}; "
        "its bytes would be misread"
    )


def warnings(topic: str, type_hash: str, place: Place, known: Sequence[Announced]) -> list[str]:
    """What is odd about a topic that works."""
    told = []
    if type_hash == keys.NO_HASH:
        told.append(f"{topic}: {HUMBLE}")
    if not any((one.domain_id, one.topic) == (place.domain_id, topic) for one in known):
        told.append(
            f"{topic}: nobody announces it (no liveliness token): `ros2 topic list` does not show "
            "it, and that its publisher is gone shows by its silence alone"
        )
    return told


def _absent(topic: str, place: Place, here: Sequence[Announced], known: Sequence[Announced]) -> str:
    other = sorted({one.domain_id for one in known if one.topic == topic})
    if other:
        return f"{topic} is of domain {other[0]}, not {place.domain_id}: set domain_id"
    if here:
        topics = sorted({one.topic for one in here})
        shown = ", ".join(topics[:SHOWN]) + (", ..." if len(topics) > SHOWN else "")
        return f"no topic {topic} in domain {place.domain_id}{_near(topic, topics)}; it has {shown}"
    if known:
        domains = ", ".join(str(one) for one in sorted({one.domain_id for one in known}))
        return f"nobody publishes in domain {place.domain_id}, but in {domains}: set domain_id"
    return (
        f"{place} knows no publisher of ROS 2, and nothing comes under {topic}: has the robot "
        "RMW_IMPLEMENTATION=rmw_zenoh_cpp, and that router?"
    )


def _near(topic: str, topics: Collection[str]) -> str:
    return did_you_mean(topic, topics).rstrip("?")
