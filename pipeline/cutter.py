"""One stream's samples -> its windows, to the format that its encoder wants now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from bindstream.formats import Sound, WindowFormat
from bindstream.types import Sample, Window
from pipeline.clock import LEAD_NS
from pipeline.hole import Hole
from pipeline.plan import StreamPlan
from pipeline.teller import Teller
from pipeline.windows import Windower, make_windower


class Cutter:
    """A windower, made when the device has said its rate (``rate_hz`` asks it; 0: it comes now and
    then), and made anew for another format: seq goes on, and readers are told."""

    def __init__(self, plan: StreamPlan, teller: Teller, rate_hz: Callable[[], float]) -> None:
        self._plan, self._teller, self._rate_hz = plan, teller, rate_hz
        self._form: WindowFormat | None = None
        self._windower: Windower | None = None
        self._past: Counter[str] = Counter()

    def push(self, sample: Sample, form: WindowFormat) -> list[Window | Hole]:
        """What the sample completed. Raises ConfigError or InvalidInput for a format that this
        stream cannot be cut to."""
        left: list[Window | Hole] = []
        if self._windower is None or form != self._form:
            left = self.flush()
            self._windower = self._renewed(form)
        return [*left, *self._windower.push(sample)]

    @property
    def known_ns(self) -> int | None:
        """Up to when all windows were cut; None before the first sample."""
        return self._windower.known_ns if self._windower else None

    def flush(self) -> list[Window | Hole]:
        """What is held back, when the stream ends."""
        return self._windower.flush() if self._windower else []

    def stats(self) -> dict[str, int]:
        """The windower's counts since the start, whatever the format was."""
        counts = self._past.copy()
        counts.update(self._windower.stats() if self._windower else {})
        return dict(counts)

    def _renewed(self, form: WindowFormat) -> Windower:
        before = self._windower
        windower = make_windower(
            self._teller.stamp(before.seq if before else 0),
            form,
            hop_s=self._plan.hop_s,
            rate_hz=self._rate_hz() or _unsaid_hz(form, self._plan.hop_s),
        )
        if before is not None:
            self._past.update(before.stats())
            self._teller.happened("format_changed", f"the encoder wants {form}, not {self._form}")
        self._form = form
        self._teller.clock.lead_ns = max(LEAD_NS, sum(windower.grid))
        return windower


def _unsaid_hz(form: WindowFormat, hop_s: float) -> float:
    return form.rate_hz if isinstance(form, Sound) else 1 / hop_s
