"""``index.json``: what lies in an index's folder, of which files, and by which encoder."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from bindstream.errors import ConfigError
from deploy.config.arguments import EncoderArgs
from deploy.index.job import Job, Source, StreamJob

NAME, VERSION, LOCK = "index.json", 1, ".lock"
_NO_MATTER = {"replicas", "threads", "ray_actor_options", "modalities"}
"""Of an encoder's arguments: how many and where, not which vectors."""


class Manifest:
    """Of one folder, which it makes, and locks until ``close`` or the end of this program.

    Raises ConfigError where another program writes into it, and where it is no index's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: wanted a folder, is a file")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / LOCK).exists():
            raise ConfigError(f"{folder}: holds other things than an index: name another --out")
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder / LOCK)
        self._told: dict[str, Any] = {"version": VERSION, "encoders": {}, "files": {}}
        if self._path.exists():
            self._told = _read(self._path)

    def close(self) -> None:
        """Others may write here."""
        os.close(self._lock)

    def twin(self, source: Source) -> str:
        """Another path under which the same bytes were indexed; "" where there is none."""
        files = self._told["files"].items()
        return next(
            (
                path
                for path, told in files
                if told["sha256"] == source.sha256 and path != str(source.file)
            ),
            "",
        )

    def admit(self, job: Job) -> list[str]:
        """Take in what is to be indexed; the names of streams whose rows are void: of files that
        have changed since. To be saved once those are gone. Raises ConfigError where what is here
        was made in another way."""
        told, void = self._told, list[str]()
        for name, args in job.encoders.items():
            _agree(self._path, f"encoder '{name}'", told["encoders"], name, _matter(args))
        for stream in job.streams:
            self._drop_if_changed(stream.source, void)
            entry = told["files"].setdefault(str(stream.source.file), _entry(stream.source))
            settings = {"cut": _cut(stream), "done": None}
            known = entry["streams"].setdefault(stream.plan.stream, settings)
            _agree(self._path, f"stream '{stream.plan.stream}'", known, "cut", _cut(stream))
        return void

    def is_done(self, stream: StreamJob) -> bool:
        """Whether all of it was indexed."""
        return self._of(stream)["done"] is not None

    def done(self, stream: StreamJob, told: dict[str, Any]) -> None:
        """All of it was, and this came of it."""
        self._of(stream)["done"] = told
        self.save()

    def told(self, stream: StreamJob) -> dict[str, Any]:
        """What came of one that is done."""
        return dict(self._of(stream)["done"])

    def same_weights(self, encoder: str, encoder_id: str) -> None:
        """Raises ConfigError where vectors of other weights lie here."""
        ids = self._told.setdefault("encoder_ids", {})
        known = ids.setdefault(encoder, encoder_id)
        if known != encoder_id:
            raise ConfigError(
                f"{self._path}: encoder '{encoder}' was {known}, and is {encoder_id}: their vectors"
                " do not compare; index into another folder"
            )

    def save(self) -> None:
        """To the disk, whole or not at all."""
        draft = self._path.with_suffix(".new")
        with draft.open("w") as file:
            json.dump(self._told, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def _of(self, stream: StreamJob) -> dict[str, Any]:
        file = self._told["files"][str(stream.source.file)]
        found: dict[str, Any] = file["streams"][stream.plan.stream]
        return found

    def _drop_if_changed(self, source: Source, void: list[str]) -> None:
        known = self._told["files"].get(str(source.file))
        if known is not None and known["sha256"] != source.sha256:
            old = Source(source.file, known["size"], known["sha256"])
            void += [f"{old.key}-{name}" for name in known["streams"]]
            del self._told["files"][str(source.file)]


def _entry(source: Source) -> dict[str, Any]:
    return {"size": source.size, "sha256": source.sha256, "streams": {}}


def _matter(args: EncoderArgs) -> dict[str, Any]:
    return args.model_dump(mode="json", exclude=_NO_MATTER)


def _cut(stream: StreamJob) -> dict[str, Any]:
    """What decides which windows there are."""
    plan = asdict(stream.plan)
    options = {k: v for k, v in plan["options"].items() if k != "file"}
    form = msgspec.to_builtins(stream.form)
    told = {k: plan[k] for k in ("robot", "modality", "driver", "hop_s")}
    cut = told | {"options": options, "windows": form, "encoder": stream.encoder}
    plain: dict[str, Any] = json.loads(json.dumps(cut, default=str))
    return plain


def _agree(path: Path, what: str, told: dict[str, Any], key: str, value: Any) -> None:
    known = told.setdefault(key, value)
    if known != value:
        changed = sorted(k for k in {*known, *value} if known.get(k) != value.get(k))
        raise ConfigError(
            f"{path}: {what} was indexed with {_shown(known, changed)}, now it is"
            f" {_shown(value, changed)}: index into another folder"
        )


def _shown(told: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {told.get(key)}" for key in keys)


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text())
        version = told["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: is no index's: {type(error).__name__}: {error}") from error
    if version != VERSION:
        raise ConfigError(f"{path}: of version {version}, wanted {VERSION}")
    found: dict[str, Any] = told
    return found


def _locked(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise ConfigError(f"{path.parent}: another 'bindstream index' writes here") from error
    return fd
