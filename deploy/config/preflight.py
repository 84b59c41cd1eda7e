"""Everything that can be refused before anything starts: files, libraries, devices, ports."""

from __future__ import annotations

import contextlib
import inspect
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil

from bindstream.errors import BindstreamError, ConfigError, PortBusy
from deploy.config import near_depth, offers, robot_places, ros2_reach
from deploy.config.arguments import EncoderArgs, StreamArgs
from deploy.config.file import Config
from deploy.config.formats import window_format
from deploy.config.offers import offered
from encoders import device
from sensors import load
from sensors.driver import Driver, contracted

_log = logging.getLogger(__name__)


def preflight(
    config: Config, *, devices: bool = True, ports: bool = True, held: Config | None = None
) -> list[Driver]:
    """Check all of it; return the drivers, closed again. Raises ConfigError with every complaint.

    What can run, but hardly as it is meant, is a warning in the log. ``devices`` opens each sensor
    once; ``ports`` finds out whether our addresses are free, and the robots' names and state
    folder with them: but those that ``held``, which runs already, has.
    """
    complaints = [*offers.complaints(config), *ros2_reach.complaints(config)]
    for name, encoder in config.encoders.items():
        _collect(complaints, lambda n=name, e=encoder: _check_device(n, e, devices))
    drivers = [_collect(complaints, lambda s=s: _check_stream(config, s)) for s in config.streams]
    if ports:
        ours = _addresses(held) if held else []
        for address in _addresses(config):
            if address not in ours:
                _collect(complaints, lambda a=address: _check_port(*a))
        running = {robot.name for robot in held.robots} if held else set()
        for name in [robot.name for robot in config.robots if robot.name not in running]:
            for check in robot_places.CHECKS:
                _collect(complaints, lambda c=check, n=name: c(n))
    ready = [driver for driver in drivers if driver is not None]
    if devices and not complaints:
        complaints += _try_devices(ready)
    if complaints:
        raise ConfigError("\n".join(dict.fromkeys(complaints)))  # streams may share one cause
    hardly = _hardly(config, ready) if devices else []
    for warning in (*near_depth.warnings(config), *hardly):
        _log.warning("%s", warning)
    return ready


def _collect(complaints: list[str], check: Any) -> Any:
    try:
        return check()
    except BindstreamError as error:
        complaints.append(str(error))
        return None


def _check_device(name: str, encoder: EncoderArgs, devices: bool) -> None:
    """The name always; whether it is here only where the sensors are looked for here too."""
    if not offered(name, encoder).torch_device:
        return
    fault = device.name_fault(encoder.device) or (device.absence(encoder.device) if devices else "")
    if fault:
        raise ConfigError(f"encoder '{name}': {fault}")


def _check_stream(config: Config, stream: StreamArgs) -> Driver:
    window_format(config, stream)
    try:
        driver_class = load(stream.driver)
    except BindstreamError as error:
        raise ConfigError(f"stream '{stream.name}': {error}") from error
    try:
        driver = contracted(driver_class(stream.name, **stream.options), stream.driver)
    except TypeError as error:
        options = list(inspect.signature(driver_class).parameters)[1:]
        raise ConfigError(
            f"stream '{stream.name}': driver '{stream.driver}': {_said(error)}; "
            f"its options: {', '.join(options)}"
        ) from error
    except BindstreamError:
        raise
    except Exception as error:  # a driver of somebody else's: still one line, not a traceback
        raise ConfigError(
            f"stream '{stream.name}': driver '{stream.driver}': {type(error).__name__}: {error}"
        ) from error
    if driver.modality != stream.modality:
        raise ConfigError(
            f"stream '{stream.name}': its modality is '{stream.modality}', but driver "
            f"'{stream.driver}' gives '{driver.modality}'"
        )
    return driver


def _said(error: TypeError) -> str:
    return str(error).rpartition("__init__() ")[2]


def _hardly(config: Config, drivers: list[Driver]) -> list[str]:
    """What works, but hardly as it is meant, of all that was looked at from outside."""
    told = [warning for driver in drivers for warning in _warnings(driver)]
    return told + ros2_reach.warnings(config)


def _warnings(driver: Driver) -> list[str]:
    """What a driver says of a device that works, but hardly as it is meant."""
    try:
        return [str(warning) for warning in getattr(driver, "warnings", ())]
    except Exception:  # a driver of somebody else's
        return []


def _try_devices(drivers: list[Driver]) -> list[str]:
    with ThreadPoolExecutor(max(1, len(drivers))) as pool:
        return [complaint for complaint in pool.map(_try_device, drivers) if complaint]


def _try_device(driver: Driver) -> str:
    try:
        driver.open(time.time_ns)
    except BindstreamError as error:
        return str(error)
    except Exception as error:  # a driver of somebody else's
        return f"{type(driver).__name__}: {type(error).__name__}: {error}"
    finally:
        with contextlib.suppress(Exception):
            driver.close()
    return ""


def _addresses(config: Config) -> list[tuple[str, int, str]]:
    """Host, port and key of what we are going to listen on."""
    wanted = [(*config.http, "http_options.port")]
    for robot in config.robots:
        endpoint = robot.args.publish.endpoint
        if endpoint.startswith("tcp://") and not endpoint.endswith("*"):
            host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
            wanted.append((host.strip("[]"), int(port), "publish.endpoint"))
    return wanted


def _check_port(host: str, port: int, key: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortBusy(
                f"{host}:{port} ({key}) is held by {holder(port)}: "
                "stop it, or configure another port"
            ) from error


def holder(port: int) -> str:
    """Who listens on a TCP port, as far as this user may see."""
    try:
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN
            if listening and getattr(connection.laddr, "port", 0) == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"process {connection.pid} ({process.name()})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another process"
