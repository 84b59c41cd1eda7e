"""The files of a folder that are of one kind, by their endings."""

from __future__ import annotations

from pathlib import Path

from bindstream.errors import ConfigError

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_MEASURES = (".npy", ".png", ".tif", ".tiff")
ENDINGS = {
    "image": _PICTURES,
    "video": (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg"),
    "audio": (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"),
    "depth": _MEASURES,
    "thermal": (*_MEASURES, ".jpg", ".jpeg"),
    "imu": (".npy", ".csv", ".txt", ".tsv"),
}


def files_of(kind: str, named: str) -> list[str]:
    """A folder -> its files of that kind, sorted; anything else as it is.

    Raises ConfigError for a folder that has none, and for an empty name: it would be this folder.
    """
    if not named.strip():
        raise ConfigError(f"--{kind}: wants the name of a file or folder, got '{named}'")
    folder = Path(named)
    if not folder.is_dir():
        return [named]
    found = sorted(str(f) for f in folder.iterdir() if f.suffix.lower() in ENDINGS[kind])
    if not found:
        raise ConfigError(f"{folder}: holds no {kind} file ({', '.join(ENDINGS[kind])})")
    return found
