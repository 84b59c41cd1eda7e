"""The ``bindstream`` command. Imports the standard library and ``bindstream`` alone.

Each verb is a module with ``HELP``, ``arguments(parser)`` and ``run(args) -> exit code``, imported
only when it is asked for, so that ``listen`` works in the base install and the others name the
extra they miss. Exit codes: 0 fine, 1 failed while running, 2 refused before start.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from bindstream import __version__
from bindstream.errors import BindstreamError, MissingExtra

VERBS = {
    "run": ("deploy.run", "run everything on this machine, with a live table"),
    "check": ("deploy.check", "validate a configuration; start nothing"),
    "plan": ("deploy.plan", "rates, windows, bytes per second and worst age of a configuration"),
    "devices": ("deploy.devices", "list the sensors of this machine"),
    "look": ("deploy.look", "what one sensor gives: rate, shape, range, stamps, counters"),
    "doctor": ("deploy.doctor", "what is missing on this machine, and how to get it"),
    "listen": ("deploy.listen", "print what a robot publishes"),
    "status": ("deploy.status", "state, rate, age and ledger of each stream"),
    "embed": ("deploy.embed", "embed files and words; print how alike they are"),
    "bind": ("deploy.bind", "train: align a modality to frozen vision"),
    "eval": ("deploy.eval", "zero-shot and retrieval tables of a weights file"),
    "weights": ("deploy.weights", "fetch, verify or convert a weights file"),
}
_MODULE_EXTRAS = {"open_clip": "clip", "ftfy": "clip", "peft": "bind", "matplotlib": "bind"}


def main(argv: list[str] | None = None) -> int:
    """Run one verb; return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] not in VERBS:
        return _no_verb(words)
    try:
        return _run(words[0], words[1:])
    except BindstreamError as error:
        print(f"bindstream {words[0]}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _no_verb(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="bindstream",
        description="Live multimodal embeddings on robots.",
        epilog="\n".join(f"  {name:9}{text}" for name, (_, text) in VERBS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bindstream {__version__}")
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help="one of those below")
    parser.parse_args(words)
    return 2


def _run(name: str, words: list[str]) -> int:
    module_name, text = VERBS[name]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "bindstream", "sensors", "pipeline", "encoders", "deploy"):
            raise
        extra = _MODULE_EXTRAS.get(missing, "server")
        raise MissingExtra(missing, extra, f"'bindstream {name}'") from error
    parser = argparse.ArgumentParser(prog=f"bindstream {name}", description=text)
    module.arguments(parser)
    code: int = module.run(parser.parse_args(words))
    return code


if __name__ == "__main__":
    sys.exit(main())
