"""Names of ours as parts of ROS 2's."""

from __future__ import annotations


def token(name: str) -> str:
    """A robot's or stream's name as a part of a ROS topic, which has no dash and begins with a
    letter; messages hold the true name."""
    plain = name.replace("-", "_")
    while "__" in plain:  # which ROS refuses
        plain = plain.replace("__", "_")
    return f"_{plain}" if plain[0].isdigit() else plain
