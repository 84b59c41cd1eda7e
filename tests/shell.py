"""The environment of a test's process: what the shell holds that is no test's business goes."""

from __future__ import annotations

import os

AS_STARTED = dict(os.environ)
"""For what has to reach the network, through a proxy if need be: pip."""
UNWANTED = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE")


def clear() -> None:
    """Forget terminals, proxies (which lead out of this machine, and tests do not), other Rays."""
    for name in list(os.environ):
        proxy = name.lower().endswith("_proxy")
        if proxy or name in UNWANTED or name.startswith(("RAY_", "CLICOLOR")):
            del os.environ[name]
