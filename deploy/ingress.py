"""The HTTP ingress: health by the data path, status, words to vectors, pause and resume.

No ``from __future__ import annotations`` here: in a replica FastAPI cannot resolve such strings,
and takes a body or a response for a query parameter.
"""

from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from bindstream.errors import InvalidInput
from deploy.config.serve_file import STREAM
from deploy.guard import Guard
from pipeline.direct import direct

MAX_TEXTS = 256
MAX_CHARS = 1000
MAX_ASKED = 16

Text = Annotated[str, Field(max_length=MAX_CHARS)]
Sensed = Literal["vision", "audio", "depth", "thermal", "imu"]
WANTED = 'want /text?q=a+dog&q=a+cat, or POST {"texts": ["a dog", "a cat"]}'

# No /docs page: its script comes from a CDN, and would run here with the right to pause a camera.
app = FastAPI(title="bindstream", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
app.add_middleware(Guard)
RETRY_S = "1"


@app.exception_handler(RequestValidationError)
async def not_understood(_: Request, error: RequestValidationError) -> JSONResponse:
    """400: the request is not what we take. One sentence, and never the input: half a surrogate
    pair in it could not be sent back."""
    return JSONResponse({"detail": f"{_mistake(error.errors()[0])}; {WANTED}"}, 400)


@app.exception_handler(InvalidInput)
async def not_encodable(_: Request, error: Exception) -> JSONResponse:
    """422: the words themselves are at fault; the same again would fail again."""
    return JSONResponse({"detail": _reason(error)}, 422)


@app.exception_handler(RayServeException)  # a full queue, a cancelled request, no replica
@app.exception_handler(RayActorError)  # the replica died meanwhile
@app.exception_handler(TimeoutError)
async def not_now(_: Request, error: Exception) -> JSONResponse:
    """503: busy or restarting, so the same may work in a moment."""
    return JSONResponse({"detail": _reason(error)}, 503, headers={"retry-after": RETRY_S})


def _mistake(found: Any) -> str:
    """Pydantic's first complaint -> which part, and what is wrong with it."""
    if found["type"] == "json_invalid":
        return f"the body is not JSON: {found.get('ctx', {}).get('error', '')}"
    place = [str(step) for step in found["loc"] if step not in ("query", "body")]
    name = ".".join(place) or "the body"
    if found["type"] == "missing":
        return f"{name} is missing"
    if found["type"] == "string_unicode":
        return f"{name}: holds half of a surrogate pair, which is no character"
    message = str(found["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}"


def _reason(error: Exception) -> str:
    """In one line. Ray wraps what a replica raised, and prints its whole traceback."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    return " ".join(str(cause).split()) or type(cause).__name__


class Texts(BaseModel):
    """What to put into the joint space. ``modality``: whose vectors it will be compared with, for
    encoders to which that matters."""

    texts: list[Text] = Field(min_length=1, max_length=MAX_TEXTS)
    modality: Sensed | None = None


class Vectors(BaseModel):
    """One unit vector per text; compare only with embeddings of the same ``space_id``."""

    space_id: str
    dim: int
    vectors: list[list[float]]


@serve.ingress(app)
class Ingress:
    """A Serve deployment (``deploy.app`` makes it one), reached on Serve's own HTTP port."""

    def __init__(
        self,
        publisher: DeploymentHandle,
        speaker: DeploymentHandle,
        ros2: DeploymentHandle | None = None,
    ) -> None:
        self._publisher = direct(publisher)
        self._speaker = direct(speaker)
        self._ros2 = direct(ros2) if ros2 is not None else None

    @app.get("/healthz")
    async def healthz(self, response: Response) -> dict[str, Any]:
        """``ok``: every stream delivers; ``degraded``: some do; ``down`` (503): none does.

        Judged by what left the publisher, not by whether processes live.
        """
        health = await self._publisher.health.remote()
        if health["status"] == "down":
            response.status_code = 503
        return dict(health)

    @app.get("/status")
    async def status(self) -> dict[str, Any]:
        """Per stream: state, rate, age, ledger, where the time goes, nearest words; and how the
        way back to ROS 2 stands, where there is one."""
        told = dict(await self._publisher.status.remote())
        if self._ros2 is not None:
            told["ros2"] = await self._ros2.status.remote()
        return told

    @app.get("/text")
    async def text(
        self,
        q: Annotated[list[Text], Query(min_length=1, max_length=MAX_ASKED)],
        modality: Sensed | None = None,
    ) -> Vectors:
        """Words to vectors, for a quick look: ``/text?q=a+dog&q=a+cat&modality=audio``."""
        return await self.texts(Texts(texts=q, modality=modality))

    @app.post("/text")
    async def texts(self, body: Texts) -> Vectors:
        """Words to vectors: ``{"texts": ["a dog", "a cat"], "modality": "audio"}``."""
        vectors = await self._speaker.encode_text.remote(body.texts, body.modality)
        about = await self._speaker.describe.remote()
        return Vectors(space_id=about["space_id"], dim=about["dim"], vectors=vectors.tolist())

    @app.post("/streams/{name}/pause")
    async def pause(self, name: str) -> dict[str, str]:
        """Close the sensor, for privacy: nothing is captured until resumed."""
        return {"stream": name, "state": await (await self._stream(name)).pause.remote()}

    @app.post("/streams/{name}/resume")
    async def resume(self, name: str) -> dict[str, str]:
        """Open the sensor again."""
        return {"stream": name, "state": await (await self._stream(name)).resume.remote()}

    async def _stream(self, name: str) -> DeploymentHandle:
        """Each stream is an application of its own; the publisher knows its name."""
        streams = (await self._publisher.status.remote()).get("streams", {})
        app_name = streams.get(name, {}).get("app")
        if not app_name:
            known = ", ".join(sorted(streams))
            raise HTTPException(404, f"no stream '{name}'; known: {known}")
        return direct(DeploymentHandle(STREAM, app_name))
