"""Files that are downloaded once: resumable, checked, put in place whole."""

from __future__ import annotations

import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from ssl import SSLError
from typing import cast

from bindstream.errors import WeightsError
from encoders.weights import pth
from encoders.weights.card import OFFICIAL_SHA256, held, read_header
from encoders.weights.fingerprint import file_sha256, remembered
from encoders.weights.sidecar import beside, line, recorded

URL = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"
SHA256 = OFFICIAL_SHA256
LICENCE = """\
imagebind_huge is Meta Platforms' model, published under CC BY-NC 4.0
(https://creativecommons.org/licenses/by-nc/4.0/): you may use and adapt it with attribution, and
NOT for commercial purposes. bindstream itself is Apache-2.0; this file is not part of it."""
_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30

Progress = Callable[[int, int | None], None]
"""Called with bytes on disk and bytes wanted (None: the server does not say)."""


def fetch(url: str, target: Path, sha256: str | None, progress: Progress) -> Path:
    """Download ``url`` to ``target``, going on where an earlier try stopped.

    Raises WeightsError: no connection, no space, another hash than ``sha256``, or, where that is
    None, a file that holds no model. What has arrived stays in ``<target>.part`` for the next try,
    but for a wrong file.
    The hash that it came with is left in ``<target>.sha256``, and compared when it is loaded.
    """
    part = target.with_name(target.name + ".part")
    if target.is_dir():
        raise WeightsError(f"{target}: cannot be written: is a folder; name a file in it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, progress)
    except urllib.error.HTTPError as error:
        raise WeightsError(f"{url}: the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise WeightsError(f"{url}: {error.reason}; run the same command again to go on") from error
    except (TimeoutError, ConnectionError, HTTPException, SSLError) as error:
        raise WeightsError(f"{url}: {error}; run the same command again to go on") from error
    except OSError as error:
        raise WeightsError(f"{part}: cannot be written ({error.strerror or error})") from error
    except ValueError as error:
        raise WeightsError(f"{url}: not an address to fetch from ({error})") from error
    found = _checked(part, url, sha256)
    if sha256 is None:
        _refuse_no_model(part, url)
    try:
        part.replace(target)
        beside(target).write_text(line(target, found))
    except OSError as error:
        raise WeightsError(f"{target}: cannot be written ({error.strerror or error})") from error
    remembered(target, "sha256", lambda: found)  # so that the first start need not hash it again
    return target


def check_present(target: Path, sha256: str | None) -> None:
    """Raises WeightsError where a file that is there already has another hash than ``sha256``,
    or (None) than the one that it came with."""
    wanted = sha256 or recorded(target)
    found = file_sha256(target)
    if wanted is not None and found != wanted.lower():
        raise WeightsError(
            f"{target}: is there already, but its SHA-256 is {found}, wanted {wanted}: another or"
            " a damaged file; remove it and run the same command again"
        )


def _receive(url: str, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers=_headers(have))  # noqa: S310 - the user's URL
    try:
        response = cast(HTTPResponse, urllib.request.urlopen(request, timeout=_TIMEOUT_S))  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing is left to send: all is here
            return
        raise
    with response:
        resumed = response.status == 206
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
    if total is not None and have < total:
        raise HTTPException(f"the connection ended after {have:,} of {total:,} bytes")


def _headers(have: int) -> dict[str, str]:
    return {"Range": f"bytes={have}-"} if have else {}


def _checked(part: Path, url: str, sha256: str | None) -> str:
    found = file_sha256(part)
    if sha256 is not None and found != sha256.lower():
        part.unlink()
        raise WeightsError(
            f"{url}: its SHA-256 is {found}, wanted {sha256}: another or a damaged file; removed."
            " Fetch again, or give --sha256 if you know that it is right"
        )
    return found


def _refuse_no_model(part: Path, url: str) -> None:
    """Without a hash nothing else says that it is what was wanted: servers answer with a page."""
    try:
        pickled = zipfile.is_zipfile(part)
        towers = held(dict.fromkeys(pth.keys(part)) if pickled else read_header(part)[1])
        why = "" if towers else "holds no ImageBind tower (no key 'modality_trunks.*')"
    except WeightsError as error:
        why = str(error).removeprefix(f"{part}: ")
    if why:
        part.unlink()
        raise WeightsError(f"{url}: gives no weights file: {why}; removed")
