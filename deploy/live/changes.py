"""What stands between two versions of a configuration, application by application. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from deploy.config.file import App

Kind: TypeAlias = Literal["unchanged", "reconfigured", "restarted", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one application. ``reconfigured``: it is told something new, and goes on."""

    app: str
    kind: Kind


def changes(before: Sequence[App], after: Sequence[App]) -> list[Change]:
    """One per application of either, in the order of ``after``, those removed at the end."""
    old = {app.name: app for app in before}
    new = {app.name for app in after}
    made = [Change(app.name, _kind(old.get(app.name), app)) for app in after]
    return made + [Change(name, "removed") for name in old if name not in new]


def _kind(old: App | None, new: App) -> Kind:
    if old is None:
        return "added"
    if (old.args, old.route) != (new.args, new.route):
        return "restarted"
    return "unchanged" if old.live == new.live else "reconfigured"
