"""What rmw_zenoh attaches to each message: its number, when it was sent, and by whom. Pure.

33 bytes as zenoh's own serializer writes them: int64 number, int64 nanoseconds, both little-endian,
then the sender's id, its length (16) before it. Without it a ROS 2 subscription takes no message.

Source: rmw_zenoh_cpp/src/detail/attachment_helpers.cpp of https://github.com/ros2/rmw_zenoh.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

_FORM = struct.Struct("<qqB16s")
ID_BYTES = 16


class Attachment(NamedTuple):
    """``sent_ns``: Unix, of the sender's clock. ``sender``: 16 bytes."""

    number: int
    sent_ns: int
    sender: bytes

    def packed(self) -> bytes:
        """As it goes over the wire."""
        return _FORM.pack(self.number, self.sent_ns, ID_BYTES, self.sender)


def unpacked(data: bytes) -> Attachment | None:
    """None for what is none: not every publisher on zenoh is ROS 2."""
    if len(data) != _FORM.size:
        return None
    number, sent_ns, length, sender = _FORM.unpack(data)
    return Attachment(number, sent_ns, sender) if length == ID_BYTES else None


def sender_of(token: str) -> bytes:
    """A sender's id made of its token, as rmw_zenoh does, but by another hash: it need only
    differ."""
    return hashlib.blake2b(token.encode(), digest_size=ID_BYTES).digest()
