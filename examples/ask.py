"""Which of these words is nearest to what each sensor perceives, live?

    python examples/ask.py "a dog" "a drone" "the robot is turning left"

Words become vectors once, over HTTP; after that a comparison is one dot product per message.
"""

import argparse
import json
import urllib.request
from typing import Any

import numpy as np

from bindstream import Embedding, Subscriber


def embed(http: str, texts: list[str]) -> dict[str, Any]:
    """Words -> {"space_id", "dim", "vectors"}; only vectors of one space can be compared."""
    body = json.dumps({"texts": texts}).encode()
    request = urllib.request.Request(f"{http}/text", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="+")
    parser.add_argument("--endpoint", default="tcp://127.0.0.1:5570")
    parser.add_argument("--http", default="http://127.0.0.1:8000")
    args = parser.parse_args()
    asked = embed(args.http, args.words)
    words = np.array(asked["vectors"], np.float32)  # (number of words, dim)
    with Subscriber(args.endpoint, topics=["embedding/"]) as stream:
        for e in stream:
            if not isinstance(e, Embedding) or e.space_id != asked["space_id"]:
                continue
            likeness = words @ e.vector  # cosines: all vectors have unit norm
            best = int(likeness.argmax())
            print(f"{e.stream:10} {args.words[best]:24} {likeness[best]:+.2f}", flush=True)


if __name__ == "__main__":
    main()
