"""Window -> vector. A new encoder is one file and one line here."""

from __future__ import annotations

ENCODERS = {
    "imagebind": "encoders.imagebind_encoder:ImageBindEncoder",
    "open_clip": "encoders.open_clip:OpenClipEncoder",
}
