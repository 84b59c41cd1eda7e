"""Fetch shows the licence, resumes and checks; verify tells; convert keeps the space."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from bindstream.command.cli import main
from bindstream.errors import WeightsError
from encoders.imagebind import vocabulary
from encoders.imagebind.encoder import ImageBindEncoder
from encoders.weights import fetch
from encoders.weights.card import read_card
from tests.encoders.small_weights import write_small_weights

BODY = bytes(np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8))
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Handler(BaseHTTPRequestHandler):
    """A server with ranges; ``/cut`` breaks off in the middle, ``/plain`` knows no ranges."""

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.path == "/plain":
            start = 0
        if self.path == "/missing":
            return self.send_error(404)
        if start >= len(BODY):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        end = 1_000_000 if self.path == "/cut" else len(BODY)
        self.wfile.write(BODY[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        running.url = f"http://127.0.0.1:{running.server_port}"
        yield running
        running.shutdown()
        thread.join()


def test_fetch_resumes_where_it_broke_off(server, tmp_path, capsys):
    """Breaks if a broken download starts at zero, or half a file is put in place."""
    target = tmp_path / "w.pth"
    command = ["weights", "fetch", "--to", str(target), "--accept-licence", "--sha256", SHA256]
    assert main([*command, "--url", server.url + "/cut"]) == 1
    assert "run the same command again to go on" in capsys.readouterr().err
    assert not target.exists()
    assert main([*command, "--url", server.url]) == 0
    assert target.read_bytes() == BODY
    assert server.asked == [None, "bytes=1000000-"]
    assert "CC BY-NC 4.0" in capsys.readouterr().err
    assert main([*command, "--url", server.url]) == 0
    assert len(server.asked) == 2  # there already: nothing asked


def test_fetch_starts_again_where_a_server_cannot_resume(server, tmp_path):
    """Breaks if the whole file is appended to the half that was there."""
    target = tmp_path / "w.pth"
    target.with_name("w.pth.part").write_bytes(BODY[:500])
    fetch.fetch(server.url + "/plain", target, SHA256, lambda *_: None)
    assert target.read_bytes() == BODY


def test_fetch_knows_that_all_has_arrived(server, tmp_path):
    """Breaks if a process killed between the last byte and the check cannot go on."""
    target = tmp_path / "w.pth"
    target.with_name("w.pth.part").write_bytes(BODY)
    fetch.fetch(server.url, target, SHA256, lambda *_: None)
    assert target.read_bytes() == BODY


def test_fetch_refuses_another_hash(server, tmp_path):
    """Breaks if a file that somebody changed is put in place."""
    target = tmp_path / "w.pth"
    with pytest.raises(WeightsError, match=r"its SHA-256 is .* wanted 00"):
        fetch.fetch(server.url, target, "00", lambda *_: None)
    assert list(tmp_path.glob("w.pth*")) == []


def test_fetch_without_a_server_is_one_clear_error(tmp_path, capsys):
    """Breaks if a robot without network gets a traceback."""
    command = ["weights", "fetch", "--to", str(tmp_path / "w"), "--accept-licence"]
    assert main([*command, "--url", "http://127.0.0.1:9/w"]) == 1
    assert "http://127.0.0.1:9/w: " in capsys.readouterr().err


def test_fetch_wants_the_licence_accepted(server, tmp_path, capsys):
    """Breaks if a non-commercial file arrives without anybody having agreed."""
    assert main(["weights", "fetch", "--to", str(tmp_path / "w"), "--url", server.url]) == 2
    assert "NOT for commercial purposes" in capsys.readouterr().err
    assert server.asked == []


def test_fetch_looks_at_what_is_there_already(server, tmp_path, capsys):
    """Breaks if a damaged file that is there is called fine because it is there."""
    target = tmp_path / "w.pth"
    command = ["weights", "fetch", "--to", str(target), "--accept-licence", "--url", server.url]
    assert main([*command, "--sha256", SHA256.upper()]) == 0
    assert (tmp_path / "w.pth.sha256").read_text() == f"{SHA256}  w.pth\n"
    target.write_bytes(BODY[:-1] + b"x")
    for known in ([], ["--sha256", SHA256]):  # as it came, and as it is said
        capsys.readouterr()
        assert main([*command, *known]) == 1
        assert f"wanted {SHA256}: another or a damaged file; remove it" in capsys.readouterr().err
    assert main([*command, "--sha256", "none"]) == 0
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nowhere", "nowhere: not an address to fetch from"),
        ("http://[::1", "not an address to fetch from"),
        ("/missing", "the server answers 404"),
    ],
)
def test_fetch_says_why_it_cannot(server, tmp_path, capsys, url, says):
    """Breaks if an address that is none ends in a traceback, or a server's answer is lost."""
    url = server.url + url if url.startswith("/") else url
    command = ["weights", "fetch", "--to", str(tmp_path / "w"), "--accept-licence", "--url", url]
    assert main(command) == 1
    assert says in capsys.readouterr().err


def test_fetch_keeps_no_file_that_is_no_model(server, tmp_path, capsys, monkeypatch):
    """Breaks if a page that a server sends instead of the weights is put in place under their name,
    and called fine, because nobody gave a hash."""
    target = tmp_path / "w.safetensors"
    command = ["weights", "fetch", "--to", str(target), "--accept-licence", "--url", server.url]
    assert main(command) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{server.url}: gives no weights file: not a safetensors file" in said
    assert not list(tmp_path.glob("w.safetensors*"))
    write_small_weights(tmp_path / "small.safetensors")
    monkeypatch.setattr(f"{__name__}.BODY", (tmp_path / "small.safetensors").read_bytes())
    assert main(command) == 0
    assert read_card(target).modalities


def test_fetch_says_where_it_cannot_write(server, tmp_path, capsys):
    """Breaks if a disk's fault is told as if the server's, or ends in a traceback."""
    (tmp_path / "file").write_bytes(b"")
    for target in (tmp_path / "file" / "w", tmp_path):
        command = ["weights", "fetch", "--to", str(target), "--accept-licence"]
        assert main([*command, "--url", server.url]) == 1
        assert "cannot be written" in capsys.readouterr().err


def test_fetch_brings_the_vocabulary_and_checks_it(server, tmp_path, capsys, monkeypatch):
    """Breaks if the words of the official weights cannot be had without the extra, or anything is
    taken for them."""
    command = ["weights", "fetch", "--vocabulary", "--url", server.url]
    assert main(command) == 1
    assert f"its SHA-256 is {SHA256}, wanted {vocabulary.SHA256}" in capsys.readouterr().err
    monkeypatch.setattr(vocabulary, "SHA256", SHA256)
    assert main(command) == 0
    assert capsys.readouterr().out.strip() == str(vocabulary.fetched())
    assert vocabulary.fetched().read_bytes() == BODY
    assert main(command) == 0
    vocabulary.fetched().write_bytes(b"x")
    assert main(command) == 1
    assert "is there already, but its SHA-256" in capsys.readouterr().err


def test_verify_finds_flipped_bytes_whatever_is_remembered(tmp_path, capsys):
    """Breaks if `verify` believes a time stamp: it is asked because somebody does not."""
    path = write_small_weights(tmp_path / "small.safetensors")
    assert main(["weights", "verify", str(path)]) == 0
    stamp = path.stat().st_mtime_ns
    content = bytearray(path.read_bytes())
    for place in range(300_000, 300_050):
        content[place] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(stamp, stamp))
    capsys.readouterr()
    assert main(["weights", "verify", str(path), "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["fine"] is False
    assert json.loads(out)["sha256"] == hashlib.sha256(content).hexdigest()
    assert "damaged" in err


def test_verify_says_what_a_file_holds(tmp_path, capsys):
    """Breaks if a user cannot see what a file is without loading it into a robot."""
    path = write_small_weights(tmp_path / "small.safetensors")
    assert main(["weights", "verify", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert said["space_id"] == read_card(path).space_id
    assert said["fine"] is True
    assert said["official"] is False
    assert main(["weights", "verify", str(path), "--sha256", "ab"]) == 1
    assert "wanted ab" in capsys.readouterr().err


def test_convert_halves_the_file_and_keeps_the_space(tmp_path, capsys):
    """Breaks if converted weights could no longer be compared with what was recorded."""
    source = write_small_weights(tmp_path / "small.safetensors")
    target = tmp_path / "half.safetensors"
    assert main(["weights", "convert", str(source), str(target)]) == 0
    assert target.stat().st_size < 0.55 * source.stat().st_size
    before = ImageBindEncoder(str(source), device="cpu")
    after = ImageBindEncoder(str(target), device="cpu")
    assert after.space_id == before.space_id
    assert after.encoder_id != before.encoder_id
    texts = ["a dog barks", "rain"]
    cosine = (before.encode_text(texts) * after.encode_text(texts)).sum(axis=1)
    assert cosine.min() > 0.999
    capsys.readouterr()
    assert main(["weights", "convert", str(source), str(source)]) == 2
    assert "give another name" in capsys.readouterr().err
    assert main(["weights", "convert", str(source), str(tmp_path / "w.pth")]) == 2
