"""The outside of ``ray_config.yaml``: YAML, and Serve's own keys, which Serve accepts misspelt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from bindstream.command.nearest import nearest
from bindstream.errors import ConfigError
from deploy.config.complaints import complaints, not_yaml, unknown_keys

PUBLISHER, INGRESS, ROS2 = "publisher", "ingress", "ros2"
STREAM, ENCODER = "stream", "encoder"
"""What the deployments inside our applications are called."""
DEPLOYMENTS = {
    "deploy.app:encoder": {ENCODER},
    "deploy.app:robot": {PUBLISHER, INGRESS, ROS2},
    "deploy.app:stream": {STREAM},
}
_LONGEST = 100
_ROUTE = re.compile(r"/|(/[A-Za-z0-9._~-]+)+")
_FORMERLY = "deploy.app:build"
_OURS = ("robot", "encoder", "streams", "scene", "publish", "labels")
_PLACES = (
    "each robot, encoder and stream is an application of its own: docs/deploy.md shows the file"
)


class _Once(yaml.SafeLoader):
    """YAML that refuses a key written twice: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1 and key != "<<":
                second = [node.start_mark for node, _ in node.value if node.value == key][1]
                raise yaml.MarkedYAMLError(problem=f"'{key}' stands twice", problem_mark=second)
        return super().construct_mapping(node, deep)

    def construct_yaml_str(self, node: yaml.ScalarNode) -> Any:
        """Text that can be written; "\\ud800" is half a character."""
        value = super().construct_yaml_str(node)
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise yaml.MarkedYAMLError(problem="half a character", problem_mark=node.start_mark)
        return value


_Once.add_constructor("tag:yaml.org,2002:str", _Once.construct_yaml_str)


def read(path: Path) -> dict[str, Any]:
    """The document. Raises ConfigError where it cannot be read, is no YAML, or is no map."""
    try:
        content = path.read_bytes()  # YAML says its own encoding; the terminal's is another
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    try:
        document = yaml.load(content, _Once)  # noqa: S506 - a SafeLoader
    except Exception as error:  # ValueError for the 32nd of May, RecursionError and more
        raise ConfigError(f"{path}: {not_yaml(content, error)}") from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path}: wanted a map with 'applications', got {type(document).__name__}"
        )
    return document


def serve_mistakes(document: dict[str, Any]) -> list[str]:
    """One line per mistake in Serve's own part of the file."""
    from ray.serve import schema

    if ours := [key for key in document if key in _OURS]:
        return [f"'{key}' at the top: {_PLACES}" for key in ours]
    lines = unknown_keys("", document, set(schema.ServeDeploySchema.model_fields))
    applications = document.get("applications")
    if not isinstance(applications, list) or not applications:
        return [*lines, f"'applications' must be a list: {_PLACES}"]
    options = document.get("http_options") or {}
    lines += unknown_keys("http_options", options, set(schema.HTTPOptionsSchema.model_fields))
    for n, application in enumerate(applications):
        lines += _mistakes_of(f"applications.{n}", application)
    return lines or _wrong_values(document, schema.ServeDeploySchema)


def _mistakes_of(place: str, application: Any) -> list[str]:
    from ray.serve import schema

    lines = unknown_keys(place, application, set(schema.ServeApplicationSchema.model_fields))
    if not isinstance(application, dict):
        return lines
    if ours := [key for key in application if key in _OURS]:
        return [f"'{place}.{key}' belongs under its 'args'" for key in ours]
    if application.get("import_path") == _FORMERLY:
        return [f"{place}: import_path '{_FORMERLY}' was one application for all: {_PLACES}"]
    name = application.get("name")
    if not isinstance(name, str):
        lines.append(f"'{place}.name' is missing: other applications call it by that")
    elif not name.isprintable() or not 0 < len(name) <= _LONGEST:
        lines.append(f"'{place}.name' wants 1 to {_LONGEST} characters in a line, got {name!r:.80}")
    known = DEPLOYMENTS.get(str(application.get("import_path")))
    if known is None:
        near = nearest(str(application.get("import_path")), set(DEPLOYMENTS))
        return [
            *lines,
            f"{place}: import_path '{application.get('import_path')}' is not ours{near}",
        ]
    lines += _route_mistakes(place, application.get("route_prefix", "/"), PUBLISHER in known)
    deployments = application.get("deployments")
    for n, one in enumerate(deployments if isinstance(deployments, list) else []):
        at = f"{place}.deployments.{n}"
        lines += unknown_keys(at, one, set(schema.DeploymentSchema.model_fields))
        if isinstance(one, dict):
            lines += _deployment_mistakes(at, one, known)
    return lines


def _route_mistakes(place: str, route: Any, is_robot: bool) -> list[str]:
    """Serve's default is "/" for every application, and it takes any text."""
    if not is_robot:
        said = f"'{place}.route_prefix' must be null: only a robot answers HTTP"
        return [] if route is None else [said]
    if not isinstance(route, str) or _ROUTE.fullmatch(route):
        return []  # what is no text, Serve's schema refuses
    return [f"'{place}.route_prefix' is '{route}': wants '/', or such as '/two'"]


def _deployment_mistakes(at: str, one: dict[str, Any], known: set[str]) -> list[str]:
    name = one.get("name")
    if not isinstance(name, str) or name not in known:
        near = nearest(str(name), known)
        return [f"{at} names no deployment of ours: {name!r:.80}{near}"]
    if one.get("user_config") is not None and one["name"] != PUBLISHER:
        return [f"'{at}.user_config' belongs to '{PUBLISHER}': no other is told anything live"]
    return []


def _wrong_values(document: dict[str, Any], model: type[BaseModel]) -> list[str]:
    try:
        model.model_validate(document)
    except ValidationError as error:
        return complaints(error, {"": model})
    except Exception as error:  # Serve's own validators fall over what they do not expect
        return [f"Serve cannot take it: {type(error).__name__}: {error!s:.200}"]
    host = (document.get("http_options") or {}).get("host", "127.0.0.1")
    if host in ("127.0.0.1", "localhost", "::1"):
        return []
    return [
        f"http_options.host is '{host}'; the HTTP ingress has no password yet, "
        "so it is served on 127.0.0.1 alone"
    ]
