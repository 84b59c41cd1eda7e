"""A Ray that somebody else started, for ``bindstream run --address``."""

from __future__ import annotations


class AttachedRay:
    """A Ray that somebody else started, and that goes on after us."""

    def __init__(self, address: str) -> None:
        self._address = address

    def start(self) -> None:
        """Join it as a driver."""
        import ray

        ray.init(address=self._address, log_to_driver=False)

    def note(self) -> None:
        """Nothing of it is ours."""

    def fallen(self) -> str:
        """Its processes cannot be seen from here."""
        return ""

    def stop(self) -> None:
        """Leave it."""
        import ray

        ray.shutdown()

    def end(self) -> None:
        """It goes on."""
