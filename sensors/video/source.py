"""Where frames come from: a device, a URL, a video file or a sequence of images."""

from __future__ import annotations

from sensors.video.ask import Ask, Video
from sensors.video.live import LiveVideo
from sensors.video.paced import PacedVideo


def video(asked: Ask) -> Video:
    """The kind of source that was asked for; nothing is touched yet."""
    return LiveVideo(asked) if asked.is_device or asked.is_url else PacedVideo(asked)
