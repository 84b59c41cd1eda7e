"""From which distance on a depth camera tells the weights anything: said before it starts."""

from __future__ import annotations

from collections.abc import Iterator

from bindstream.types import Modality
from deploy.config.arguments import EncoderArgs, StreamArgs
from deploy.config.file import Config
from deploy.config.offers import offered
from encoders.imagebind.front_end_formats import DepthFormat

USUAL_NEAREST_M = 0.5
"""What lies before a robot is often no farther off. Weights that are blind below are warned of."""


def warnings(config: Config) -> Iterator[str]:
    """One line for each depth stream whose near range is one value to its encoder.

    Only where ``fx_px`` and ``baseline_m`` stand among the stream's options: others are known
    when the first window comes, and said in the encoder's log then.
    """
    for stream in config.streams:
        encoder = config.encoders[stream.encoder]
        fmt = offered(stream.encoder, encoder).depth
        if stream.modality is Modality.DEPTH and fmt is not None:
            yield from _warning(stream, encoder, fmt)


def _warning(stream: StreamArgs, encoder: EncoderArgs, fmt: DepthFormat) -> Iterator[str]:
    fx_px, baseline_m = stream.options.get("fx_px"), stream.options.get("baseline_m")
    if not isinstance(fx_px, int | float) or not isinstance(baseline_m, int | float):
        return
    if fmt.nearest_m(fx_px, baseline_m) > USUAL_NEAREST_M:
        yield f"stream '{stream.name}': {blind(encoder.weights, fmt, fx_px, baseline_m)}"


def blind(weights: str | None, fmt: DepthFormat, fx_px: float, baseline_m: float) -> str:
    """What such a camera loses, and the two ways out."""
    better = fmt.reaching(USUAL_NEAREST_M, fx_px, baseline_m)
    return (
        f"all that is nearer than {fmt.nearest_m(fx_px, baseline_m):.2g} m is one flat surface to"
        f" {weights} ({fx_px:g} px x {baseline_m:g} m over max_disparity_px"
        f" {fmt.max_disparity_px:g}). Bind your camera ('bindstream bind PAIRS --modality depth"
        f" --nearest-m {USUAL_NEAREST_M:g}'), or try the encoder's options: {{front_ends: {{depth:"
        f" {{max_disparity_px: {better.max_disparity_px:.4g}, mean: {better.mean:.4g}, std:"
        f" {better.std:.4g}, min_depth: {better.min_depth:.4g}}}}}}}"
    )
