"""Device bytes -> Sample: one file per device API. A new sensor is one file and one line here."""

from __future__ import annotations

from typing import Any

from sensors.driver import resolve

DRIVERS = {
    "camera": "sensors.camera:Camera",
    "microphone": "sensors.microphone:Microphone",
    "depth": "sensors.depth:DepthCamera",
    "thermal": "sensors.thermal:ThermalCamera",
    "imu": "sensors.imu:SerialImu",
    "realsense": "sensors.realsense:RealSense",
    "push": "sensors.push:Push",
    "world": "sensors.world.driver:World",
    "recording": "sensors.recording.driver:Player",
    "ros2": "sensors.ros2.driver:Ros2",
}


def load(name: str) -> Any:
    """The driver class of that name in the table, or of a dotted ``"module:Class"``."""
    return resolve(name, DRIVERS)
