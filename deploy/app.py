"""The graph: one application per lifetime, which call each other by name. One screen.

No ``from __future__ import annotations`` here: Ray reads the type of ``args`` from the signature.
"""

from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from bindstream.errors import ConfigError
from deploy.config.arguments import EncoderArgs, RobotArgs, StreamArgs
from deploy.config.plans import read_live, robot_plan, ros2_plan, stream_plan
from deploy.config.serve_file import ENCODER, INGRESS, PUBLISHER, ROS2, STREAM
from deploy.ingress import Ingress
from deploy.succession import towers_in_use
from encoders.replica import EncoderReplica
from pipeline.ingest import Ingest
from pipeline.publisher.publish import Publish
from pipeline.ros2_out import Ros2Out

QUIET = {"enable_access_log": False, "log_level": "WARNING"}
OWNED: dict[str, Any] = {
    "num_replicas": 1,
    "health_check_period_s": 1,
    "health_check_timeout_s": 10,
    "graceful_shutdown_wait_loop_s": 0.2,
    "graceful_shutdown_timeout_s": 5,
    "logging_config": QUIET,
}
"""Of every deployment but the encoders: found dead within a second, hung at the third unanswered
check (30 s; 90 by default), stopped without delay."""
ASKED_AT_ONCE = 64
"""Calls that an encoder holds: a few per stream of each robot that it serves."""


def encoder(args: EncoderArgs) -> serve.Application:
    """One encoder. A new version comes up before the old one drains: no stream waits for it."""
    return (
        serve.deployment(EncoderReplica)
        .options(
            name=ENCODER,
            num_replicas=args.replicas,
            ray_actor_options={"num_cpus": 1, **args.ray_actor_options},
            max_ongoing_requests=max(ASKED_AT_ONCE, 2 * args.max_batch),
            max_queued_requests=4,
            max_surge_percent=100,
            health_check_period_s=1,
            health_check_timeout_s=10,
            graceful_shutdown_wait_loop_s=0.2,
            graceful_shutdown_timeout_s=5,
            logging_config=QUIET,
        )
        .bind(
            args.kind,
            args.weights,
            args.modalities,
            args.device,
            args.dtype,
            args.threads,
            args.max_batch,
            args.options,
            towers_in_use,
        )
    )


def stream(args: StreamArgs) -> serve.Application:
    """One sensor. Raises ConfigError where it could not meet its robot's publisher."""
    _stay_together(f"stream '{args.name}'", args.labels)
    pinned = {"num_cpus": 0, "label_selector": args.labels}
    return (
        serve.deployment(Ingest)
        .options(name=STREAM, ray_actor_options=pinned, **OWNED)
        .bind(stream_plan(args), DeploymentHandle(ENCODER, args.encoder), own_app)
    )


def robot(args: RobotArgs) -> serve.Application:
    """One robot: its publisher, its way back to ROS 2 where it has one, and the HTTP ingress."""
    _stay_together(f"robot '{args.name}'", args.labels)
    pinned = {"num_cpus": 0, "label_selector": args.labels}
    speaker = DeploymentHandle(ENCODER, args.encoder)
    publisher = (
        serve.deployment(Publish)
        .options(name=PUBLISHER, ray_actor_options=pinned, **OWNED)
        .bind(robot_plan(args), speaker, read_live)
    )
    plan = ros2_plan(args)
    ros2 = plan and (
        serve.deployment(Ros2Out).options(name=ROS2, ray_actor_options=pinned, **OWNED).bind(plan)
    )
    return (
        serve.deployment(Ingress)
        .options(name=INGRESS, ray_actor_options={"num_cpus": 0}, **OWNED)
        .bind(publisher, speaker, ros2)
    )


def own_app() -> str:
    """Inside a replica: the name of its application, by which the ingress finds it."""
    return str(serve.get_replica_context().app_name)


def _stay_together(what: str, labels: dict[str, str]) -> None:
    """Sensors and publisher speak through a socket of one host; Ray may place them on several."""
    if labels or not ray.is_initialized():
        return
    hosts = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(hosts) > 1:
        raise ConfigError(
            f"{what} has no labels, and this Ray has {len(hosts)} hosts: it could be placed apart "
            "from its robot's other parts; pin them all to one host (docs/deploy.md, Several hosts)"
        )
