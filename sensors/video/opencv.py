"""OpenCV, imported with settings that suit a robot. They count only before its first import."""

from __future__ import annotations

import os

# A camera that is gone must show within seconds, not within the default of ten.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
# Every failure is raised as an error of ours; OpenCV's own warnings would say it twice.
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

import cv2

__all__ = ["cv2"]
