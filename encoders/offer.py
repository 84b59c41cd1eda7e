"""What an encoder offers and needs, told before it is loaded: `check` asks. No torch here."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bindstream.errors import BindstreamError, ConfigError, InvalidInput
from bindstream.formats import WindowFormat, checked
from bindstream.types import Modality
from encoders import ENCODERS
from encoders.imagebind.front_end_formats import DepthFormat
from encoders.imagebind.window_formats import USUAL

OFFERS = {
    "imagebind": "encoders.imagebind.offer:offer",
    "open_clip": "encoders.open_clip.folder:offer",
}
"""Of our own kinds, whose classes would import torch."""


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Offer:
    """``modalities`` None: it does not say. ``windows`` by modality; one that is not there is of
    ImageBind's usual form. ``lacks``: modalities that the weights hold but that cannot be used
    here, and the line that says what to do. ``verify`` compares the files with their hashes, and
    raises WeightsError. ``torch_device``: whether ``device`` is one of torch's. ``dim`` of its
    vectors; 0: known once it is loaded. ``depth``: how metres become the model's input, where they
    become ImageBind's."""

    modalities: frozenset[Modality] | None = None
    windows: Mapping[Modality, WindowFormat] = field(default_factory=dict)
    lacks: Mapping[Modality, str] = field(default_factory=dict)
    verify: Callable[[], None] = _nothing
    torch_device: bool = False
    dim: int = 0
    depth: DepthFormat | None = None

    def formats(self) -> dict[Modality, WindowFormat]:
        """The windows of every modality that it may have. Raises InvalidInput for a format that is
        none of its modality's."""
        return formats_of(self.modalities, self.windows)


def formats_of(
    modalities: Iterable[Modality] | None, windows: Mapping[Modality, WindowFormat]
) -> dict[Modality, WindowFormat]:
    """What is said, and ImageBind's usual for what is not. ``modalities`` None: all."""
    held = frozenset(USUAL if modalities is None else modalities)
    said = {m: checked(m, form) for m, form in windows.items()}
    return {m: form for m, form in (USUAL | said).items() if m in held}


def offer_of(kind: str, weights: str | None, options: Mapping[str, Any]) -> Offer:
    """The offer of an encoder of ENCODERS, or of a ``"module:Class"`` (see `encoders.encoder`).

    Raises ConfigError for a kind or option that is not there, and what the encoder itself says:
    WeightsError, MissingExtra.
    """
    target = OFFERS.get(kind)
    if target is None:
        return _of_class(kind, _imported(kind, ENCODERS.get(kind, kind)), weights, options)
    say = _imported(kind, target)
    _check_options(kind, say, (weights,), options)
    made: Offer = say(weights, **options)
    return made


def _imported(kind: str, target: str) -> Any:
    module, _, attribute = target.partition(":")
    if not attribute:
        known = ", ".join(sorted(ENCODERS))
        raise ConfigError(f"unknown kind '{kind}'; known: {known}, or 'package.module:Class'")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except BindstreamError:
        raise
    except Exception as error:  # a module of somebody else's: whatever its import raises
        raise ConfigError(f"kind '{kind}': {type(error).__name__}: {error}") from error
    if not callable(found):
        raise ConfigError(f"kind '{kind}': wants a class, got {type(found).__name__}")
    return found


def _of_class(kind: str, encoder: Any, weights: str | None, options: Mapping[str, Any]) -> Offer:
    """What a class says by ``offer``; else what can be seen from outside."""
    given = {"modalities": None, "device": "auto", "dtype": "auto"} | dict(options)
    _check_options(kind, encoder, (weights,), given)
    say = getattr(encoder, "offer", None)
    if say is None:
        return Offer(
            modalities=_declared(getattr(encoder, "modalities", None)),
            windows=_windows(kind, getattr(encoder, "windows", {})),
        )
    try:
        made = say(weights, **options)
    except BindstreamError:
        raise
    except Exception as error:  # somebody else's: still one line, not a traceback
        raise ConfigError(f"kind '{kind}': offer: {type(error).__name__}: {error}") from error
    if not isinstance(made, Offer):
        raise ConfigError(f"kind '{kind}': offer gives {type(made).__name__}, wanted Offer")
    return made


def _declared(modalities: Any) -> frozenset[Modality] | None:
    """A class attribute ``modalities``, where it is what it should be."""
    try:
        return frozenset(map(Modality, modalities)) if isinstance(modalities, Iterable) else None
    except ValueError:
        return None


def _windows(kind: str, windows: Any) -> dict[Modality, WindowFormat]:
    """A class attribute ``windows``; one that is made at construction is told then."""
    if not isinstance(windows, Mapping):
        return {}
    try:
        return {Modality(m): checked(Modality(m), form) for m, form in windows.items()}
    except (InvalidInput, ValueError) as error:
        raise ConfigError(f"kind '{kind}': windows: {error}") from error


def _check_options(
    kind: str, call: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]
) -> None:
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # written in C: it will say so itself
        return
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        known = [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
        ours = [name for name in known if name not in ("modalities", "device", "dtype")]
        raise ConfigError(
            f"kind '{kind}': {error}; its options: {', '.join(ours) or 'none'}"
        ) from error
