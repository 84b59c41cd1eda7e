"""A topic of a ROS 2 robot that speaks rmw_zenoh, as a sensor: without ROS on our side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bindstream.errors import DeviceLost, InvalidInput, WrongFormat
from bindstream.types import SENSED, DepthMeta, Modality, Sample
from sensors import options
from sensors.audio.buffers import RATE_HZ
from sensors.driver import Clock
from sensors.mounting import rotation
from sensors.ros2 import diagnosis, keys, ros_clock, session
from sensors.ros2.arrivals import Arrived
from sensors.ros2.heard import FORMS, Heard, Sound
from sensors.ros2.line import Line
from sensors.ros2.measured import Measured
from sensors.ros2.session import Place
from sensors.ros2.unpacking import Reading

MOST_WAITING = 4096
SILENCE_S, MOST_SILENCE_S, PERIODS = 0.5, 5.0, 3
"""A topic is silent after three of its periods, but half a second at least, five at most."""
RATE_TOLERANCE = 0.25
MEASUREMENTS = 3
"""A busy machine, or a jolt, may get the first one wrong."""


class Ros2:
    """Messages of one topic: sensor_msgs Image, CompressedImage, Imu, audio_common's AudioData and
    AudioDataStamped. Of pictures the newest, of the others all.

    ``topic``: such as /camera/image_raw. ``modality``: what it shows. ``router``: zenoh's address
    of the robot's router (rmw_zenohd). ``listen``: be the router instead, at this address.
    ``domain_id``: ROS_DOMAIN_ID. ``rate_hz``: wanted, checked within a quarter. ``clock``: whether
    header.stamp is believed, see sensors.ros2.ros_clock. ``delay_ms``: known delay, taken off the
    times. ``scale``, ``fx_px``, ``baseline_m``: as for recordings; depth needs the latter two.
    ``mounting``: of an IMU, see sensors.mounting. ``sound_rate_hz``, ``channels``, ``channel``,
    ``sample_format``: of sound, as audio_capture was launched.

    Raises ConfigError for an option that cannot be, MissingExtra.
    """

    latency_ms = 200.0

    def __init__(
        self,
        stream: str,
        *,
        topic: str,
        modality: str,
        router: str = session.ROUTER,
        listen: str | None = None,
        domain_id: int = 0,
        rate_hz: float | None = None,
        clock: str = "auto",
        delay_ms: float = 0.0,
        scale: float | None = None,
        fx_px: float | None = None,
        baseline_m: float | None = None,
        mounting: Mapping[str, Sequence[float]] | None = None,
        sound_rate_hz: int = 16_000,
        channels: int = 1,
        channel: int | None = None,
        sample_format: str = "S16LE",
    ) -> None:
        session.check("driver 'ros2'")
        chosen = options.one_of(stream, "modality", modality, map(str, SENSED))
        self.modality = Modality(chosen)
        self._stream = stream
        self._topic = _topic(stream, topic)
        self._place = _place(stream, router, listen, domain_id)
        self._asked_hz = None
        if rate_hz is not None:
            self._asked_hz = options.number(stream, "rate_hz", rate_hz, 0.01, 4000.0)
        self.rate_hz = self._asked_hz or 0.0
        delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        how = options.one_of(stream, "clock", clock, ros_clock.HOW)
        if scale is not None:
            scale = options.number(stream, "scale", scale, 1e-6, 10.0)
        meta = _meta(stream, self.modality, fx_px, baseline_m)
        turn = rotation(stream, mounting)
        sound = _sound(stream, sound_rate_hz, channels, channel, sample_format)
        self._form: Heard | Measured
        if self.modality is Modality.AUDIO:
            self._form, self.rate_hz = Heard(stream, sound, delay_ns), float(RATE_HZ)
        else:
            self._form = Measured(Reading(stream, self.modality, scale, meta), turn, delay_ns, how)
        self._line: Line | None = None
        self._past = {"skipped": 0, "lost": 0}
        self.warnings: list[str] = []

    @property
    def why(self) -> str:
        """What is wrong with what comes, or that nothing does."""
        return self._form.why or self._silence()

    @property
    def counters(self) -> dict[str, int]:
        """``skipped``: messages that a newer one overtook; ``lost``: that their sender numbered and
        that never came; ``bad``: that could not be read; ``repeated``: the last one again;
        ``unset``, ``odd_times``: stamps of 0, and those that cannot be; ``resets``: ROS's clock was
        set; ``jumps``: sound was lost."""
        return {**self._counted(), **self._form.counters}

    def open(self, now_ns: Clock) -> None:
        """Connect, take the first messages, measure their rate. See sensors.driver.Driver."""
        self.close()
        most = MOST_WAITING
        if self.modality not in (Modality.IMU, Modality.AUDIO):
            most = 1
        line = self._line = Line(self._stream, self._topic, self._place, now_ns, most)
        try:
            self._begin(line)
        except InvalidInput as error:
            self.close()
            raise WrongFormat(self._stream, f"{self._topic}: {error}") from error
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> list[Sample]:
        """What came: of pictures the newest, of the others all. Raises DeviceLost once the router
        is gone for half a second, or three periods."""
        line = self._line
        if line is None:
            raise DeviceLost(self._stream, "read before open")
        samples = self._form.samples(line.arrivals.take(timeout_s))
        if (silence := self._silence()) and line.is_cut:
            raise DeviceLost(self._stream, f"{self._place} is gone: {silence}")
        return samples

    def close(self) -> None:
        """See sensors.driver.Driver."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
            self._past["skipped"] += line.arrivals.overtaken
            self._past["lost"] += line.arrivals.lost

    def _begin(self, line: Line) -> None:
        first = line.first()
        if first is None:
            known = line.publishers()
            place, kinds = self._place, self._form.kinds
            raise diagnosis.silence(self._stream, self._topic, place, kinds, known)
        self._prove(line, [first, *line.listen()])
        type_hash = keys.kind_and_hash(first.key)[1]
        told = diagnosis.warnings(self._topic, type_hash, self._place, line.publishers())
        self.warnings = [f"stream '{self._stream}': {warning}" for warning in told]

    def _prove(self, line: Line, seen: list[Arrived]) -> None:
        for left in reversed(range(MEASUREMENTS)):
            rate_hz = line.arrivals.rate_hz
            try:
                self._form.prove(seen, rate_hz)
                self._check_rate(rate_hz)
                break
            except WrongFormat:
                if not left or not (seen := line.listen()):
                    raise
        if self.modality is not Modality.AUDIO:
            self.rate_hz = self._asked_hz or round(rate_hz, 1)

    def _check_rate(self, got_hz: float) -> None:
        wanted_hz = None if self.modality is Modality.AUDIO else self._asked_hz
        if wanted_hz is not None and abs(got_hz - wanted_hz) > RATE_TOLERANCE * wanted_hz:
            what = f"wanted rate_hz {wanted_hz:g}, {self._topic} gives {got_hz:.4g}"
            raise WrongFormat(self._stream, what)

    def _silence(self) -> str:
        """That nothing comes, where that is longer than its pace explains; else ""."""
        line = self._line
        if line is None:
            return ""
        usual_s = min(PERIODS * line.arrivals.period_s, MOST_SILENCE_S)
        silent_s = line.arrivals.silent_s
        longer = silent_s > max(SILENCE_S, usual_s)
        return f"nothing from {self._topic} for {silent_s:.1f} s" if longer else ""

    def _counted(self) -> dict[str, int]:
        line = self._line
        skipped, lost = (line.arrivals.overtaken, line.arrivals.lost) if line else (0, 0)
        return {"skipped": self._past["skipped"] + skipped, "lost": self._past["lost"] + lost}


def _topic(stream: str, topic: Any) -> str:
    name = keys.absolute(options.text(stream, "topic", topic))
    if name is None:
        raise options.refused(stream, "topic", topic, "a topic of ROS 2, such as /camera/image_raw")
    return name


def _place(stream: str, router: Any, listen: Any, domain_id: Any) -> Place:
    for key, address in (("router", router), ("listen", listen)):
        if key == "listen" and address is None:
            continue
        if not session.ADDRESS.fullmatch(options.text(stream, key, address)):
            raise options.refused(stream, key, address, session.WANTED_ADDRESS)
    domain_id = options.whole(stream, "domain_id", domain_id, *keys.DOMAINS)
    return Place(str(router), None if listen is None else str(listen), domain_id)


def _meta(stream: str, modality: Modality, fx_px: Any, baseline_m: Any) -> DepthMeta | None:
    if modality is not Modality.DEPTH:
        return None
    return DepthMeta(
        fx_px=options.number(stream, "fx_px", fx_px, 1.0, 100_000.0),
        baseline_m=options.number(stream, "baseline_m", baseline_m, 1e-4, 10.0),
    )


def _sound(stream: str, rate_hz: Any, channels: Any, channel: Any, form: Any) -> Sound:
    channels = options.whole(stream, "channels", channels, 1, 64)
    if channel is not None:
        channel = options.whole(stream, "channel", channel, 0, channels - 1)
    rate_hz = options.whole(stream, "sound_rate_hz", rate_hz, 4000, 384_000)
    return Sound(rate_hz, channels, channel, options.one_of(stream, "sample_format", form, FORMS))
