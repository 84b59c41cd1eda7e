"""The ``bindstream`` command. Imports the standard library and ``bindstream`` alone.

It comes with the reader. ``listen`` and ``status`` need nothing more; the other verbs are the
robot's code (`deploy.verbs`), a distribution of its own: where that is not installed they say so.

Each verb is a module with ``arguments(parser)`` and ``run(args) -> exit code``, imported only when
it is asked for, so that ``listen`` works in the base install and the others name the extra they
miss. Our own imports stand inside ``main`` too: Ctrl-C is heard from the first moment.

Exit codes: 0 fine, 1 failed while running, 2 refused before start, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import codecs
import errno
import importlib
import io
import os
import sys

VERBS = {
    "run": ("deploy.verbs.run", "run everything on this machine, with a live table"),
    "record": ("deploy.verbs.record", "record a running robot: its samples and what it says"),
    "replay": ("deploy.verbs.replay", "play a recording through a robot, as its sensors"),
    "index": ("deploy.verbs.index", "recordings -> embeddings in Parquet files, many at once"),
    "apply": ("deploy.verbs.apply", "change a running robot; only what changed restarts"),
    "init": ("deploy.verbs.init", "what is plugged in here, as a commented configuration"),
    "check": ("deploy.verbs.check", "validate a configuration; start nothing"),
    "plan": (
        "deploy.verbs.plan",
        "rates, windows, bytes per second and worst age of a configuration",
    ),
    "devices": ("deploy.verbs.devices", "list the sensors of this machine"),
    "look": ("deploy.verbs.look", "what one sensor gives: rate, shape, range, stamps, counters"),
    "doctor": ("deploy.verbs.doctor", "what is missing on this machine, and how to get it"),
    "listen": ("bindstream.command.listen", "print what a robot publishes"),
    "status": ("bindstream.command.status", "state, rate, age and ledger of each stream"),
    "embed": ("deploy.verbs.embed", "embed files and words; print how alike they are"),
    "bind": ("deploy.verbs.bind", "train: align a modality to frozen vision"),
    "eval": ("deploy.verbs.eval", "zero-shot and retrieval tables of a weights file"),
    "weights": ("deploy.verbs.weights", "fetch, verify or convert a weights file"),
}
_MODULE_EXTRAS = {
    "open_clip": "clip",
    "ftfy": "clip",
    "peft": "bind",
    "matplotlib": "bind",
    "mcap": "recordings",
    "rosbags": "recordings",
    "pyarrow": "index",
    "pandas": "index",
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ASCII = {"…": "...", "✓": "+", "✗": "x", "·": "."}


def main(argv: list[str] | None = None) -> int:
    """Run one verb; return its exit code."""
    _speak_any_encoding()
    words = sys.argv[1:] if argv is None else argv
    try:
        try:
            return _told(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        _leave_quietly()
        return 0
    except OSError as error:
        if error.errno not in _FULL:
            raise
        print(f"bindstream: the output cannot be written: {error.strerror}", file=sys.stderr)
        _leave_quietly()
        return 1
    except KeyboardInterrupt:
        return 130


def _told(words: list[str]) -> int:
    match words:
        case [] | ["-h" | "--help" | "help"]:
            print(_overview(), file=sys.stdout if words else sys.stderr)
            return 0 if words else 2
        case ["help", verb, *_]:
            return _told([verb, "--help"])
        case ["--version", *_]:
            from bindstream import __version__

            print(f"bindstream {__version__}")
            return 0
        case [verb, *rest] if verb in VERBS:
            return _verb(verb, rest)
        case [word, *_]:
            from bindstream.command.nearest import did_you_mean

            near = did_you_mean(word, [*VERBS, "help"])
            said = f"bindstream: unknown verb '{word}'{near}"
            print(f"{said}\nsee: bindstream help", file=sys.stderr)
    return 2


def _overview() -> str:
    verbs = "\n".join(f"  {name:9}{text}" for name, (_, text) in VERBS.items())
    return f"""usage: bindstream VERB [OPTIONS]

Live multimodal embeddings on robots. Try it: bindstream run

{verbs}

  help VERB explains its options; --version tells which bindstream this is.
  CONFIG is a ray_config.yaml; where none is named, the shipped simulated robot."""


def _verb(name: str, words: list[str]) -> int:
    from bindstream.errors import BindstreamError

    try:
        return _run(name, words)
    except BindstreamError as error:
        print(f"bindstream {name}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None:  # a pipe, a socket: not a path that somebody typed
            raise
        print(f"bindstream {name}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


def _run(name: str, words: list[str]) -> int:
    from bindstream.command.parser import Parser
    from bindstream.errors import MissingExtra

    module_name, text = VERBS[name]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "deploy":
            raise MissingExtra("bindstream-robot", "server", f"'bindstream {name}'") from error
        if missing in ("", "bindstream", "sensors", "pipeline", "encoders"):
            raise
        extra = _MODULE_EXTRAS.get(missing, "server")
        raise MissingExtra(missing, extra, f"'bindstream {name}'") from error
    parser = Parser(
        prog=f"bindstream {name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(parser)
    code: int = module.run(parser.parsed(words))
    return code


def _speak_any_encoding() -> None:
    """A terminal without UTF-8 gets plain letters for ours, escapes for others'; never an error."""
    codecs.register_error("bindstream", _spelt_out)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="bindstream")


def _spelt_out(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        first = error.object[error.start]
        if first in _ASCII:
            return _ASCII[first], error.start + 1
    return codecs.backslashreplace_errors(error)


def _leave_quietly() -> None:
    """What is left in the buffers goes nowhere; the interpreter would complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
