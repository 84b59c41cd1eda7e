"""What a PyTorch file holds, seen without torch and without running any of it.

A ``.pth`` is a zip archive: one pickle that names the tensors, and their bytes as members. The
pickle is only disassembled here, never unpickled.
"""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path

from bindstream.errors import WeightsError

SUFFIXES = (".pth", ".pt")
_MAX_PICKLE_BYTES = 64_000_000
_MODULES = {"torch", "torch._utils", "torch.nn.parameter", "torch.storage", "torch._tensor"}
_NAMES = {"collections OrderedDict", "_codecs encode"}
_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
REFUSED = "refused: it holds more than tensors (code could run on loading), or is no PyTorch file"


def keys(path: Path) -> list[str]:
    """The dotted names in a file, a tensor's each. Raises WeightsError for a file that is no zip
    archive of torch.save, is damaged, or whose pickle would call anything but torch's own."""
    try:
        return _scanned(path, _pickle(path))
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except WeightsError:
        raise
    except Exception as error:  # zipfile and pickletools raise many kinds on damaged bytes
        said = f"{type(error).__name__}: {str(error)[:120]}"
        raise WeightsError(f"{path}: cannot be read, or is cut short ({said})") from error


def verify_members(path: Path) -> str:
    """Read every member against its checksum. Raises WeightsError for one that differs."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # as above
        said = f"{type(error).__name__}: {str(error)[:120]}"
        raise WeightsError(f"{path}: cannot be read, or is cut short ({said})") from error
    if damaged is not None:
        raise WeightsError(
            f"{path}: damaged: the checksum of '{damaged}' in it is not that of its bytes;"
            " fetch it again"
        )
    return "sound"


def _pickle(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:  # may be absent, or a folder
            began = file.read(2)
        pickled = began[:1] == b"\x80"
        raise WeightsError(
            f"{path}: {REFUSED}" if pickled else f"{path}: no PyTorch file, or is cut short"
        )
    with zipfile.ZipFile(path) as archive:
        names = [info for info in archive.infolist() if info.filename.endswith("/data.pkl")]
        if len(names) != 1 or names[0].file_size > _MAX_PICKLE_BYTES:
            raise WeightsError(f"{path}: no PyTorch file: a zip archive without one data.pkl")
        return archive.read(names[0])


def _scanned(path: Path, pickled: bytes) -> list[str]:
    found = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in _STRINGS and "." in str(argument):
            found.append(str(argument))
        elif opcode.name == "GLOBAL":
            name = str(argument)
            if name not in _NAMES and name.partition(" ")[0] not in _MODULES:
                raise WeightsError(f"{path}: {REFUSED}: it would call '{name[:80]}'")
        elif opcode.name in ("STACK_GLOBAL", "INST", "OBJ"):
            raise WeightsError(f"{path}: {REFUSED}")
    return found
