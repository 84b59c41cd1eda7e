"""Video devices of Linux: where they are, and whether they give pictures."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path


def captures(path: Path) -> bool:
    """Whether a file is a V4L2 device that gives pictures.

    Source: linux/videodev2.h, VIDIOC_QUERYCAP; device_caps holds what this node can.
    """
    answer = bytearray(104)
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno == errno.EBUSY
    try:
        fcntl.ioctl(handle, 0x80685600, answer)
    except OSError:
        return False
    finally:
        os.close(handle)
    can: int = struct.unpack_from("<I", answer, 88)[0]
    return bool(can & 0x1001)  # VIDEO_CAPTURE, VIDEO_CAPTURE_MPLANE


def device_path(source: int | str) -> Path:
    """The file of a V4L2 device."""
    return Path(f"/dev/video{source}" if isinstance(source, int) else source)
