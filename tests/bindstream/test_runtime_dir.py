"""The folder of the sockets: right place, private, never somebody else's."""

from __future__ import annotations

import os
import stat

import pytest

from bindstream.errors import ConfigError
from bindstream.runtime_dir import runtime_dir


def test_own_variable_wins(tmp_path, monkeypatch):
    """Breaks if the override is ignored or the folder is not made private."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "session"))
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / "mine" / "deep"))
    made = runtime_dir()
    assert made == tmp_path / "mine" / "deep"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_session_folder_is_next(tmp_path, monkeypatch):
    """Breaks if two programs of one session would look in different places."""
    monkeypatch.delenv("BINDSTREAM_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_dir() == tmp_path / "bindstream"
    assert runtime_dir() == tmp_path / "bindstream"


def test_an_open_folder_of_ours_is_closed(tmp_path, monkeypatch):
    """Breaks if others could connect to our sockets through a lax mode."""
    lax = tmp_path / "bindstream"
    lax.mkdir(mode=0o755)
    monkeypatch.delenv("BINDSTREAM_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_dir() == lax
    assert stat.S_IMODE(lax.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_shared_folder_stays_shared(tmp_path, monkeypatch, mode):
    """Breaks if a folder that others use is closed to them, or our sockets stand open in it."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(shared))
    made = runtime_dir()
    assert made == runtime_dir() == shared / f"bindstream-{os.getuid()}"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert stat.S_IMODE(shared.stat().st_mode) == mode


def test_a_link_or_a_file_is_refused(tmp_path, monkeypatch):
    """Breaks if a trap laid in a shared /tmp (a link to elsewhere) would be followed."""
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "file").write_text("")
    for name, said in (("link", "not a directory"), ("file", "BINDSTREAM_RUNTIME_DIR")):
        monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / name))
        with pytest.raises(ConfigError, match=said):
            runtime_dir()


def test_a_strangers_folder_is_refused(tmp_path, monkeypatch):
    """Breaks if a folder that another user made first would be trusted."""
    (tmp_path / "theirs").mkdir()
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / "theirs"))
    monkeypatch.setattr("os.getuid", lambda: 4242)
    with pytest.raises(ConfigError, match="belongs to uid"):
        runtime_dir()
