"""One stream's samples -> its windows, to the format that its encoder wants now."""

from __future__ import annotations

from collections import Counter

from bindstream.errors import BindstreamError
from bindstream.formats import Sound, WindowFormat
from bindstream.types import Sample
from pipeline.clock import LEAD_NS
from pipeline.inquiry import Inquiry
from pipeline.plan import StreamPlan
from pipeline.sensing.device import Device
from pipeline.start import Start
from pipeline.teller import Teller
from pipeline.windows.hole import Outcome
from pipeline.windows.windower import Windower, make_windower


class Cutter:
    """A windower, made when the device has said its rate, and made anew for another format: seq
    goes on, and readers are told."""

    def __init__(
        self, plan: StreamPlan, start: Start, teller: Teller, inquiry: Inquiry, device: Device
    ) -> None:
        self._plan, self._start, self._teller = plan, start, teller
        self._inquiry, self._device = inquiry, device
        self._form: WindowFormat | None = None
        self._windower: Windower | None = None
        self._past: Counter[str] = Counter()
        self._errors = 0
        self._unfit = ""

    @property
    def is_told(self) -> bool:
        """Whether the encoder has said what to cut."""
        return self._inquiry.form is not None

    @property
    def why(self) -> str:
        """Why nothing is cut; "" where nothing is in the way."""
        return self._inquiry.why or self._unfit

    def push(self, sample: Sample) -> list[Outcome]:
        """What the sample completed. Never raises: a fault costs the sample, and is told."""
        form = self._inquiry.form
        if form is None:
            return []
        try:
            cuts = self._cut(sample, form)
            self._unfit = ""
        except BindstreamError as error:  # no windower can be made of it
            self._unfit = f"its encoder wants windows that cannot be cut: {error}"
            self._teller.complain("unfit_encoder", error)
            return []
        except Exception as error:  # costs this sample, not the stream
            self._errors += 1
            self._teller.complain("window_error", error)
            return []
        return cuts

    @property
    def known_ns(self) -> int | None:
        """Up to when all windows were cut; None before the first sample."""
        return self._windower.known_ns if self._windower else None

    def flush(self) -> list[Outcome]:
        """What is held back, when the stream ends."""
        return self._windower.flush() if self._windower else []

    def stats(self) -> dict[str, int]:
        """The windower's counts since the start, whatever the format was; ``window_errors``."""
        counts = self._past.copy()
        counts.update(self._windower.stats() if self._windower else {})
        return {**counts, "window_errors": self._errors}

    def _cut(self, sample: Sample, form: WindowFormat) -> list[Outcome]:
        left: list[Outcome] = []
        if self._windower is None or form != self._form:
            left = self.flush()
            self._windower = self._renewed(form)
        return [*left, *self._windower.push(sample)]

    def _renewed(self, form: WindowFormat) -> Windower:
        before = self._windower
        windower = make_windower(
            self._start.stamp(before.seq if before else 0),
            form,
            hop_s=self._plan.hop_s,
            rate_hz=self._device.rate_hz or unsaid_hz(form, self._plan.hop_s),
        )
        if before is not None:
            self._past.update(before.stats())
            self._teller.happened("format_changed", f"the encoder wants {form}, not {self._form}")
        self._form = form
        self._start.clock.lead_ns = max(LEAD_NS, sum(windower.grid))
        return windower


def unsaid_hz(form: WindowFormat, hop_s: float) -> float:
    """The rate that is taken for a sensor's that says none."""
    return form.rate_hz if isinstance(form, Sound) else 1 / hop_s
