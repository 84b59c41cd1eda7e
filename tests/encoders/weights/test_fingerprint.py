"""Hashes are remembered for the very file they were made of, and for no other."""

from __future__ import annotations

import hashlib
import os

import pytest

from bindstream.errors import WeightsError
from encoders.weights import fingerprint
from encoders.weights.fingerprint import file_sha256, recalled


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_is_the_files_sha256_and_reads_it_once(tmp_path, monkeypatch):
    """Breaks if the second start hashes 4.8 GB again."""
    path = tmp_path / "w"
    path.write_bytes(b"weights")
    wanted = hashlib.sha256(b"weights").hexdigest()
    assert file_sha256(path) == wanted
    monkeypatch.setattr(fingerprint, "hash_file", None)
    assert file_sha256(path) == wanted
    assert recalled(path, "sha256") == wanted


def test_a_changed_file_is_hashed_again(tmp_path):
    """Breaks if a replaced file keeps the old file's name for itself."""
    path = tmp_path / "w"
    path.write_bytes(b"weights")
    before = file_sha256(path)
    path.write_bytes(b"weightz")
    os.utime(path, ns=(1, 1))
    assert file_sha256(path) != before


def test_survives_a_broken_memory(tmp_path):
    """Breaks if a half-written cache file stops the start."""
    path = tmp_path / "w"
    path.write_bytes(b"weights")
    fingerprint.cache_dir().mkdir(parents=True)
    (fingerprint.cache_dir() / "hashes.json").write_text("{")
    assert file_sha256(path) == hashlib.sha256(b"weights").hexdigest()


def test_a_missing_file_is_one_clear_error(tmp_path):
    """Breaks if a missing file ends in an OSError."""
    with pytest.raises(WeightsError, match="cannot be read"):
        file_sha256(tmp_path / "none")
