"""Which microphone is meant, and in what form it is opened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bindstream.errors import DeviceUnavailable, WrongFormat
from sensors import options
from sensors.audio import portaudio
from sensors.audio.portaudio import Form, Input, Session


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for, checked by ``wanted``; None: whatever there is. ``channel``: the one that
    is heard, from 0; None: the mean of all."""

    stream: str
    device: int | str | None
    rate_hz: int | None
    channels: int | None
    channel: int | None

    def forms(self, device: Input) -> list[Form]:
        """Those that serve us, the best first."""
        rates = [self.rate_hz] if self.rate_hz else [*portaudio.RATES_HZ, device.default_hz]
        needed = 1 if self.channel is None else self.channel + 1
        numbers = [self.channels] if self.channels else [needed, 2, device.channels]
        return [Form(rate_hz, n) for rate_hz in rates for n in numbers if n >= needed]

    def unmet(self, device: Input) -> WrongFormat:
        """None of the forms is one of the device's."""
        return WrongFormat(
            self.stream,
            f"wanted {self.channels or 'any'} channels at {self.rate_hz or 'any'} Hz, "
            f"'{device.name}' has {device.channels} channels, {device.default_hz} Hz by default; "
            "leave rate_hz and channels out, or see `bindstream devices`",
        )


def wanted(
    stream: str,
    device: int | str | None,
    rate_hz: int | None,
    channels: int | None,
    channel: int | None,
) -> Wanted:
    """From the options of a driver. Raises ConfigError for one that cannot be."""
    if isinstance(device, int | np.integer):
        device = options.whole(stream, "device", device, 0, 4096)
    elif device is not None:
        device = options.text(stream, "device", device)
    if rate_hz is not None:
        rate_hz = options.whole(stream, "rate_hz", rate_hz, 4000, 384_000)
    if channels is not None:
        channels = options.whole(stream, "channels", channels, 1, 64)
    if channel is not None:
        channel = options.whole(stream, "channel", channel, 0, (channels or 64) - 1)
    return Wanted(stream, device, rate_hz, channels, channel)


def find(stream: str, session: Session, device: int | str | None) -> Input:
    """The input device meant: by index, by its whole name, or by a part of one name alone.

    Raises DeviceUnavailable, naming what there is.
    """
    inputs = session.inputs()
    if device is None:
        try:
            return session.default()
        except OSError as error:
            raise DeviceUnavailable(stream, "this machine has no microphone") from error
    if isinstance(device, int):
        matches = [i for i in inputs if i.index == device]
    else:
        part = device.lower()
        matches = [i for i in inputs if i.name.lower() == part][:1]
        matches = matches or [i for i in inputs if part in i.name.lower()]
    if len(matches) != 1:
        names = ", ".join(f"{i.index}: '{i.name}'" for i in matches or inputs) or "none"
        problem = f"matches {len(matches)} microphones" if matches else "is no microphone here"
        raise DeviceUnavailable(stream, f"device {device!r} {problem}; there are {names}")
    return matches[0]
