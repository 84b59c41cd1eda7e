"""A stream's configuration -> the plain values that its deployment takes. Pure; knows no Ray."""

from __future__ import annotations

from deploy.config import AppArgs, StreamArgs
from deploy.formats import window_formats
from pipeline.plan import StreamPlan


def stream_plan(args: AppArgs, stream: StreamArgs) -> StreamPlan:
    """One stream's plain values. Raises ConfigError when its window does not fit the weights."""
    length_s, frames = window_formats(args.encoder_of(stream.modality), stream)
    return StreamPlan(
        robot=args.robot.name,
        stream=stream.name,
        modality=stream.modality,
        driver=stream.driver,
        options=dict(stream.options),
        length_s=length_s,
        hop_s=stream.hop,
        frames=frames,
        deadline_s=stream.deadline_s,
        in_flight=stream.in_flight,
    )
