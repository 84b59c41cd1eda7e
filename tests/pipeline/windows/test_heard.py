"""Which samples of sound were heard."""

from __future__ import annotations

from pipeline.windows.heard import Heard


def test_what_was_heard_is_known_as_long_as_it_is_held() -> None:
    """Breaks if silence counts as heard where the ring closes, or what was overwritten is still
    told."""
    heard = Heard(held=10)
    heard.add(6, heard=True)
    heard.add(3, heard=False)
    heard.add(4, heard=True)  # round the end: 3 to 12 are held
    assert heard.count == 13
    assert heard.missing(3, 13) == 3
    assert heard.missing(6, 9) == 3
    assert heard.missing(2, 13) is None
    assert heard.first_from(6) == 9
    assert heard.first_from(0) == 3
    assert heard.first_from(13) is None
    heard.clear()
    assert heard.first_from(0) is None
    assert heard.missing(0, 2) == 2
