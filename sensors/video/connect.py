"""Devices and network streams, opened through OpenCV and set up as was asked."""

from __future__ import annotations

import os

from bindstream.errors import DeviceBusy, DeviceUnavailable, WrongFormat
from sensors.video.ask import Ask, check_rate
from sensors.video.opencv import cv2
from sensors.video.v4l2 import captures, device_path

DEVICE_TOLERANCE = 0.1


def connect(asked: Ask) -> cv2.VideoCapture:
    """The device or URL, not yet proved to give a frame. Raises DeviceUnavailable, DeviceBusy."""
    if asked.is_device:
        capture = cv2.VideoCapture(asked.source, cv2.CAP_V4L2)
    else:
        # One decoding thread: FFMPEG's frame threads hold back one frame each.
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(asked.open_timeout_s * 1000)]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(asked.read_timeout_s * 1000)]
        limits += [cv2.CAP_PROP_N_THREADS, asked.threads]
        capture = cv2.VideoCapture(str(asked.source), cv2.CAP_FFMPEG, limits)
        if asked.raw:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    if capture.isOpened():
        return capture
    capture.release()
    raise _why_closed(asked)


def set_up(asked: Ask, capture: cv2.VideoCapture) -> float | None:
    """Ask a device for what was asked of us; the rate that it tells, if it tells one.

    Order matters to V4L2: pixel format, then size, then rate. Raises WrongFormat.
    """
    if asked.fourcc:
        _choose_format(asked, capture)
    if asked.raw:
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    if asked.width:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, asked.width)
    if asked.height:
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.height)
    if asked.rate_hz:
        capture.set(cv2.CAP_PROP_FPS, asked.rate_hz)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    told_hz = capture.get(cv2.CAP_PROP_FPS)
    if told_hz <= 0:
        return None
    check_rate(asked, told_hz, DEVICE_TOLERANCE)
    return float(told_hz)


def _why_closed(asked: Ask) -> DeviceUnavailable:
    if asked.is_url:
        what = f"does not answer within {asked.open_timeout_s:g} s, or not video"
        return DeviceUnavailable(asked.stream, f"{asked.shown} {what}")
    path = device_path(asked.source)
    if not path.exists():
        what = f"{path} is absent; `bindstream devices` lists what is there"
        return DeviceUnavailable(asked.stream, what)
    if not os.access(path, os.R_OK | os.W_OK):
        what = f"no permission for {path}: add this user to the group video"
        return DeviceUnavailable(asked.stream, what)
    if captures(path):
        return DeviceBusy(asked.stream, f"{path} is busy: another program has it open")
    return DeviceUnavailable(asked.stream, f"{path} cannot be opened: it is no camera")


def _choose_format(asked: Ask, capture: cv2.VideoCapture) -> None:
    for code in asked.fourcc:
        wanted = cv2.VideoWriter.fourcc(*code)
        capture.set(cv2.CAP_PROP_FOURCC, wanted)
        if int(capture.get(cv2.CAP_PROP_FOURCC)) == wanted:
            return
    got = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1")
    raise WrongFormat(
        asked.stream,
        f"wanted pixel format {' or '.join(asked.fourcc)}, {asked.shown} gives "
        f"'{got}'; `v4l2-ctl --list-formats` shows what it has",
    )
