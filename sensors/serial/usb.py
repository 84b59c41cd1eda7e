"""USB serial adapters: how long an FTDI chip keeps bytes back."""

from __future__ import annotations

from pathlib import Path

BEST_MS = 1
SYSTEM = Path("/")


def latency_ms(port: str, root: Path | None = None) -> int | None:
    """The latency timer of the FTDI chip behind a port, ms; None where there is none.

    Source: FTDI AN232B-04, section 3.3: the chip sends when 62 bytes are full or the timer, 16 ms
    by default, has run out. Linux shows it in /sys/bus/usb-serial/devices/ttyUSB*/latency_timer.
    ``root``: where that tree begins, for tests.
    """
    name = Path(port).resolve().name
    timer = (root or SYSTEM) / "sys/bus/usb-serial/devices" / name / "latency_timer"
    try:
        return int(timer.read_text())
    except (OSError, ValueError):
        return None


def warning(port: str, root: Path | None = None) -> str:
    """What is to be said of a port whose chip keeps bytes back; "" where nothing is."""
    timer_ms = latency_ms(port, root)
    if timer_ms is None or timer_ms <= BEST_MS:
        return ""
    name = Path(port).resolve().name
    return (
        f"{port}: its FTDI chip keeps readings back for {timer_ms} ms and sends them in bursts: "
        f"`echo {BEST_MS} | sudo tee /sys/bus/usb-serial/devices/{name}/latency_timer` "
        "(docs/sensors/imu.md: for good, by a udev rule)"
    )
