"""Account for every window: what came, what the robot dropped and why, what was lost on the way."""

import sys
from collections import Counter

from bindstream import Embedding, Gap, Subscriber, Tombstone

lost: Counter[str] = Counter()


def on_gap(gap: Gap) -> None:
    """Called for messages that were sent and never came: a network that broke, a slow reader."""
    lost[gap.stream] += gap.last - gap.first + 1


endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5570"
came: Counter[str] = Counter()
dropped: Counter[str] = Counter()
with Subscriber(endpoint, topics=["embedding/"], tombstones=True, on_gap=on_gap) as stream:
    for message in stream:
        if isinstance(message, Embedding):
            came[message.stream] += 1
        elif isinstance(message, Tombstone):
            dropped[f"{message.stream}: {message.reason}"] += 1
        print(f"came {dict(came)}  dropped {dict(dropped)}  lost {dict(lost)}", flush=True)
