"""What a new replica of an encoder asks of those whose place it takes."""

import logging
import threading

from ray import serve
from ray.serve.handle import DeploymentHandle

from deploy.config.serve_file import ENCODER
from pipeline.direct import direct

ANSWER_S = 3.0
_log = logging.getLogger("ray.serve")


def towers_in_use() -> tuple[str, ...]:
    """Inside a replica that starts: the modalities that the others of its deployment have loaded.

    Nothing where there are none, or none answers: then streams ask for what they need.
    """
    found: list[str] = []
    asking = threading.Thread(target=_ask, args=(found,), daemon=True)  # here a loop may be running
    asking.start()
    asking.join(2 * ANSWER_S)
    return tuple(found)


def _ask(found: list[str]) -> None:
    try:
        app = str(serve.get_replica_context().app_name)
        states = serve.status().applications[app].deployments[ENCODER].replica_states
        if any(state == "RUNNING" and n for state, n in states.items()):
            others = direct(DeploymentHandle(ENCODER, app))
            found += others.loaded.remote().result(timeout_s=ANSWER_S)
    except Exception as error:  # of Ray, of Serve, of an older version without the method
        _log.warning("what the encoder before had loaded is not known: %s", error)
