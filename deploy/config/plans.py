"""Arguments -> the plain values that the pipeline's deployments take. Pure; knows no Ray."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from bindstream.errors import ConfigError
from deploy.config.arguments import LIVE_MODELS, LiveArgs, RobotArgs, StreamArgs
from deploy.config.complaints import complaints
from pipeline.clock import AS_FAST_AS_IT_CAN, Timing
from pipeline.plan import LivePlan, QuestionPlan, RobotPlan, StreamPlan
from pipeline.ros2_out import Ros2Plan
from sensors.ros2.names import token
from sensors.ros2.session import Place


def stream_plan(args: StreamArgs) -> StreamPlan:
    """One stream's plain values."""
    return StreamPlan(
        robot=args.robot,
        stream=args.name,
        modality=args.modality,
        driver=args.driver,
        options=dict(args.options),
        length_s=args.length_s,
        hop_s=args.hop,
        deadline_s=args.deadline_s,
        in_flight=args.in_flight,
    )


def robot_plan(args: RobotArgs) -> RobotPlan:
    """What a publisher is told at its start."""
    speed = AS_FAST_AS_IT_CAN if args.speed == "max" else args.speed
    timing = Timing(args.time, speed)
    return RobotPlan(args.name, args.publish.endpoint, args.publish.dtype, timing)


def ros2_plan(args: RobotArgs) -> Ros2Plan | None:
    """What a robot's way back to ROS 2 is told; None where there is none."""
    told = args.publish.ros2
    if told is None:
        return None
    place = Place(told.router, told.listen, told.domain_id)
    namespace = told.namespace or f"/{token(args.name)}"
    return Ros2Plan(args.name, args.publish.endpoint, place, namespace, not told.humble)


def read_live(user_config: Any) -> LivePlan:
    """What a publisher may be told at any time. Raises ConfigError with all that is wrong."""
    try:
        args = LiveArgs.model_validate(user_config or {})
    except ValidationError as error:
        raise ConfigError("; ".join(complaints(error, LIVE_MODELS))) from None
    scene = args.scene
    questions = tuple(
        QuestionPlan(
            name=name,
            phrases={word: list(said) for word, said in question.words.items()},
            prompts=list(question.prompts),
            modalities=list(question.modalities),
            margin=question.margin,
        )
        for name, question in args.labels.items()
    )
    return LivePlan(
        expect=args.expect or (),
        scene_hop_s=scene.hop_s,
        scene_delay_s=scene.delay_s,
        max_age_s=scene.max_age_s,
        weights=dict(scene.weights),
        questions=questions,
    )
