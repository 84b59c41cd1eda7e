"""What a stream tells its publisher: the windows, their outcomes, its state, and what happens."""

from __future__ import annotations

import time

from bindstream.types import Embedding, Encoding, Reason, Stamped, Tombstone, Window
from pipeline.link import Link
from pipeline.messages import Bye, Happened, Opened, State
from pipeline.sensing.border import plain
from pipeline.start import Start

COMPLAIN_EVERY_S = 1.0


class Teller:
    """Speaks for one start of a stream, once that has met its publisher. Any thread may use it."""

    def __init__(self, stream: str, start: Start, link: Link) -> None:
        self._stream, self._start, self._link = stream, start, link
        self._complained_s: dict[str, float] = {}

    @property
    def unsettled(self) -> int:
        """Windows whose outcome readers may not have been told yet."""
        return self._link.unsettled

    def opened(self, window: Stamped) -> None:
        """A window was cut, or a hole was found; exactly one outcome must follow."""
        self._link.send(Opened(**window.stamp()))

    def encoded(self, window: Window, encoding: Encoding) -> None:
        """Its outcome: a vector, which ``encoding`` has."""
        assert encoding.vector is not None  # noqa: S101 - else it is dropped
        self._link.send(
            Embedding(
                **window.stamp(),
                captured_ns=window.captured_ns,
                windowed_ns=window.windowed_ns,
                encoded_ns=self._start.stamp_ns(window.captured_ns),
                queue_ms=encoding.queue_ms,
                encode_ms=encoding.encode_ms,
                n_missing=window.n_missing,
                space_id=encoding.space_id,
                encoder_id=encoding.encoder_id,
                vector=encoding.vector,
            )
        )

    def dropped(self, window: Stamped, reason: Reason) -> None:
        """Its outcome: none."""
        self._link.send(Tombstone(**window.stamp(), reason=reason))

    def happened(self, name: str, why: str) -> None:
        """Every reader is told of it, as an event."""
        detail = {"stream": self._stream, "why": why}
        self._link.send(Happened(self._stream, name, self._start.now_ns(), detail))

    def complain(self, name: str, error: Exception) -> None:
        """An event, once a second at most: a fault may come with every sample."""
        now_s = time.monotonic()
        if now_s - self._complained_s.get(name, 0.0) >= COMPLAIN_EVERY_S:
            self._complained_s[name] = now_s
            said = plain(str(error)).strip().splitlines() or [""]
            self.happened(name, f"{type(error).__name__}: {said[-1]}"[:300])

    def state(
        self,
        state: str,
        why: str,
        *,
        rate_hz: float,
        wanted_rate_hz: float,
        counters: dict[str, int],
    ) -> None:
        """How it is; call it once a second, and at every change."""
        self._link.send(
            State(
                stream=self._stream,
                epoch=self._start.grant.epoch,
                offset_ns=self._start.grant.offset_ns,
                state=state,
                why=why,
                rate_hz=rate_hz,
                wanted_rate_hz=wanted_rate_hz,
                counters={**counters, "link_lost": self._link.lost},
            )
        )

    def bye(self) -> None:
        """Nothing follows. Returns once the publisher has it all, or after the link's flush."""
        self._link.send(Bye(self._stream, self._start.grant.epoch))
        self._link.close()
