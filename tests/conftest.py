"""For every test."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell starts what runs in its background, and children would inherit it: then no test
    # could press Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
