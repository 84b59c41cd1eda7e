"""How it stands with a device, and who hears of it."""

from __future__ import annotations

from pipeline.sensing.device_state import DeviceState


def test_every_change_is_told_once() -> None:
    """Breaks if readers are told of each try to open a device, or not of its loss."""
    told: list[tuple[str, str]] = []
    state = DeviceState(lambda name, why: told.append((name, why)))
    for _ in range(3):
        state.excuse(OSError("absent"))
    assert (state.name, state.why, told) == ("opening", "OSError: absent", [])
    state.become("running", "")
    state.lose(OSError("gone"))
    state.excuse(OSError("still gone"))
    assert (state.name, state.why, state.reopened) == ("opening", "OSError: still gone", 1)
    assert told == [
        ("stream_running", ""),
        ("stream_lost", "OSError: gone"),
        ("stream_opening", "OSError: gone"),
    ]
