"""The graph: sensors -> encoders -> publisher, and the HTTP ingress. One screen.

No ``from __future__ import annotations`` here: Ray reads the type of ``args`` from the signature.
"""

from typing import Any

from ray import serve

from bindstream.types import Modality
from deploy.config import AppArgs, EncoderArgs, StreamArgs
from deploy.formats import card_of, window_formats
from deploy.ingress import Ingress
from encoders.replica import EncoderReplica
from pipeline.ingest import Ingest
from pipeline.plan import PublishPlan, QuestionPlan, StreamPlan
from pipeline.publish import Publish

QUIET = {"enable_access_log": False, "log_level": "WARNING"}
OWNED: dict[str, Any] = {
    "num_replicas": 1,
    "health_check_period_s": 1,
    "graceful_shutdown_wait_loop_s": 0.2,
    "graceful_shutdown_timeout_s": 5,
    "logging_config": QUIET,
}
"""Of every deployment but the encoders: found dead within a second, stopped without delay."""


def build(args: AppArgs) -> serve.Application:
    """Plain arguments -> Serve application. Raises ConfigError before anything starts."""
    plans = [stream_plan(args, stream) for stream in args.streams]
    asked_at_once = 2 + sum(stream.in_flight for stream in args.streams)
    encoders = {encoder.name: _encoder(args, encoder, asked_at_once) for encoder in args.encoders}
    on_robot = {"num_cpus": 0, "label_selector": args.robot.labels}
    streams = {
        plan.stream: serve.deployment(Ingest)
        .options(name=f"stream-{plan.stream}", ray_actor_options=on_robot, **OWNED)
        .bind(plan, encoders[args.encoder_of(plan.modality).name])
        for plan in plans
    }
    speaker = encoders[_speaker(args).name]
    publisher = (
        serve.deployment(Publish)
        .options(name="publisher", ray_actor_options=on_robot, **OWNED)
        .bind(publish_plan(args, plans), speaker)
    )
    return (
        serve.deployment(Ingress)
        .options(name="ingress", ray_actor_options={"num_cpus": 0}, **OWNED)
        .bind(publisher, speaker, streams)
    )


def _encoder(args: AppArgs, encoder: EncoderArgs, asked_at_once: int) -> serve.Application:
    return (
        serve.deployment(EncoderReplica)
        .options(
            name=encoder.name,
            num_replicas=encoder.replicas,
            ray_actor_options={"num_cpus": 1, **encoder.ray_actor_options},
            max_ongoing_requests=max(16, 2 * encoder.max_batch, asked_at_once),
            max_queued_requests=4,
            health_check_period_s=2,
            graceful_shutdown_wait_loop_s=0.2,
            graceful_shutdown_timeout_s=5,
            logging_config=QUIET,
        )
        .bind(
            encoder.kind,
            encoder.weights,
            needed(args, encoder),
            encoder.device,
            encoder.dtype,
            encoder.threads,
            encoder.max_batch,
            encoder.options,
        )
    )


def needed(args: AppArgs, encoder: EncoderArgs) -> tuple[Modality, ...] | None:
    """What an encoder loads: what its configuration names, else the modalities of its streams,
    and text where words are asked of it (labels, and HTTP's /text, which is always there).

    None, all that it has, for encoders of other kinds: they alone know.
    """
    if encoder.modalities is not None or encoder.kind != "imagebind":
        return encoder.modalities
    wanted = {s.modality for s in args.streams if args.encoder_of(s.modality) is encoder}
    if encoder is _speaker(args):
        wanted.add(Modality.TEXT)
    held = card_of(encoder).modalities
    return tuple(m for m in Modality if m in wanted & held) or None


def _speaker(args: AppArgs) -> EncoderArgs:
    """The encoder that is asked for words."""
    for encoder in args.encoders:
        if encoder.modalities is None or Modality.TEXT in encoder.modalities:
            return encoder
    return args.encoders[0]


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


def publish_plan(args: AppArgs, plans: list[StreamPlan]) -> PublishPlan:
    """The publisher's plain values."""
    ages = {p.stream: args.scene.max_age_s or 2.0 + p.hop_s for p in plans}
    return PublishPlan(
        robot=args.robot.name,
        endpoint=args.publish.endpoint,
        dtype=args.publish.dtype,
        streams={p.stream: p.modality for p in plans},
        hops_s={p.stream: p.hop_s for p in plans},
        deadlines_s={p.stream: p.deadline_s for p in plans},
        max_ages_s=ages,
        weights=dict(args.scene.weights),
        scene_hop_s=args.scene.hop_s,
        scene_delay_s=args.scene.delay_s,
        questions=[
            QuestionPlan(
                name=name,
                phrases={word: list(said) for word, said in question.words.items()},
                prompts=list(question.prompts),
                modalities=list(question.modalities),
                margin=question.margin,
            )
            for name, question in args.labels.items()
        ],
    )
