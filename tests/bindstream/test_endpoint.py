"""Endpoints as people type them."""

from __future__ import annotations

import pytest

from bindstream import Subscriber
from bindstream.endpoint import as_endpoint
from bindstream.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("localhost:5570", "tcp://localhost:5570"),
        ("10.0.0.7:5570", "tcp://10.0.0.7:5570"),
        (":5570", "tcp://127.0.0.1:5570"),
        ("[::1]:5570", "tcp://[::1]:5570"),
        ("tcp://rover:5570", "tcp://rover:5570"),
        ("ipc:///run/robot.sock", "ipc:///run/robot.sock"),
    ],
)
def test_tcp_is_assumed(typed, meant):
    """Breaks if the address that every other tool takes has to be spelled ZeroMQ's way."""
    assert as_endpoint(typed) == meant


@pytest.mark.parametrize("typed", ["", "nonsense", "localhost", "a b:1", "host:port", "/tmp/x"])
def test_what_is_no_address_is_refused(typed):
    """Breaks if a typo is connected to, for ever and in silence."""
    with pytest.raises(ConfigError, match="want HOST:PORT"):
        as_endpoint(typed)


def test_a_subscriber_takes_it_and_knows_its_own_host():
    """Breaks if the library wants another spelling than the command, or forgets that a bare
    localhost has this machine's clock."""
    with Subscriber("localhost:5570") as stream:
        assert stream._same_clock
