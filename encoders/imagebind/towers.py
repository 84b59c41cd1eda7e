"""The towers of one weights file, each loaded when it is first asked for.

A robot with one camera needs one tower of six: the others cost no memory and no time. All are in
the number format that the first one proved the fastest in, since it is part of encoder_id.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from torch import Tensor

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders.imagebind.model import ImageBind
from encoders.imagebind.runtime import Choice, Runtime, choose
from encoders.weights.card import Card
from encoders.weights.load import load_model

_log = logging.getLogger(__name__)


class Towers:
    """Used from one thread. ``max_batch`` and ``steady`` as for Runtime.

    Construction looks at the keys and shapes of all ``modalities`` and reads no weight. Raises
    WeightsError for a file that does not hold them, ConfigError (device, dtype).
    """

    def __init__(
        self,
        card: Card,
        modalities: frozenset[Modality],
        device: str,
        dtype: str,
        max_batch: int,
        *,
        steady: bool = False,
    ) -> None:
        self._card, self._device, self._max_batch = card, device, max_batch
        self._steady = steady
        self._dtype = dtype
        whole = load_model(card.path, card.config, modalities)  # mapped, not read
        self.choice: Choice = choose(device, dtype, sum(p.numel() for p in whole.parameters()))
        self._runtimes: dict[Modality, Runtime] = {}

    @property
    def loaded(self) -> frozenset[Modality]:
        """Those that were asked for until now."""
        return frozenset(self._runtimes)

    def load(self, modalities: Iterable[Modality]) -> None:
        """Load those that are not loaded yet, at once. Raises WeightsError where one computes
        something else than it should on every path of this machine."""
        missing = frozenset(modalities) - self.loaded
        if not missing:
            return
        runtime = self._made(missing)
        if not self._runtimes:
            self.choice, self._dtype = runtime.choice, runtime.choice.dtype_name
        self._runtimes |= dict.fromkeys(missing, runtime)

    def __call__(self, modality: Modality, x: Tensor) -> Tensor:
        """Model input without a clip axis -> unit vectors float32 [N, E] on the CPU."""
        self.load([modality])
        return self._runtimes[modality](modality, x)

    def logit_scale(self, modality: Modality) -> float:
        """What the reference multiplies a modality's unit vectors by."""
        self.load([modality])
        return self._runtimes[modality].logit_scales[modality]

    def check(self) -> None:
        """Raises where the device no longer computes what it computed at start."""
        for runtime in set(self._runtimes.values()):
            runtime.check()

    def _made(self, modalities: frozenset[Modality]) -> Runtime:
        model = load_model(self._card.path, self._card.config, modalities)
        try:
            return self._runtime(model, self._dtype)
        except WeightsError as error:
            if not self._runtimes or self._dtype == "float32":
                raise
            _log.warning("%s in float32: %s", ", ".join(sorted(modalities)), error)
            return self._runtime(model, "float32")

    def _runtime(self, model: ImageBind, dtype: str) -> Runtime:
        return Runtime(model, self._device, dtype, self._max_batch, steady=self._steady)
