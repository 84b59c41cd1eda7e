"""Draw docs/pictures/table.svg: the live table of a robot that runs here (``bindstream run``).

    python docs/pictures/table.py [ENDPOINT] [SECONDS]

Reads the stream as any subscriber does; nothing is posed.
"""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path

from rich.console import Console

from bindstream.command.rows import TableState
from bindstream.subscriber import DEFAULT_ENDPOINT, Subscriber
from deploy.live.table import render

WIDTH = 96


def main(endpoint: str = DEFAULT_ENDPOINT, seconds: str = "20") -> None:
    """Listen for a while, then draw what is known."""
    state = TableState()
    end = time.monotonic() + float(seconds)
    with Subscriber(endpoint, topics="") as stream:
        while (left_s := end - time.monotonic()) > 0:
            message = stream.receive(left_s)
            if message is not None:
                state.absorb(message)
    console = Console(width=WIDTH, record=True, file=io.StringIO())
    console.print(render(state, hint="Ctrl-C drains and stops."))
    target = Path(__file__).with_name("table.svg")
    picture = console.export_svg(title="bindstream run")
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # no font off the network
    target.write_text(picture.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, monospace"))


if __name__ == "__main__":
    main(*sys.argv[1:])
