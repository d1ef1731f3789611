"""What the API says about itself, to everyone: its document, its error codes, its health."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, JsonValue

from common.errors import CODES, NotFoundError
from common.web.models import ResponseModel
from common.web.problem import Messages, messages_of, title_of, type_of
from common.web.routes import RouteTable
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable()

#: Made by `python -m local.openapi` from the route tables of all functions.
OPENAPI_PATH = Path(__file__).with_name("openapi.json")


class OpenApiDocument(ResponseModel):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, JsonValue]
    paths: dict[str, JsonValue]


class ProblemType(ResponseModel):
    """What an error code means."""

    type: str
    title: str
    status: int
    code: str
    messages: Messages


class Health(ResponseModel):
    """That the function answers."""

    status: Literal["ok"]


@routes.get("/v1/openapi.json", summary="Read this document", conditional=True)
def get_openapi(services: Api) -> OpenApiDocument:
    """The document of the whole API."""
    return _document()


@routes.get(
    "/v1/problems/{code}",
    summary="Read what an error code means",
    errors=("not_found",),
    conditional=True,
)
def get_problem_type(services: Api, *, code: str) -> ProblemType:
    """The `type` of every problem document leads here."""
    if code not in CODES:
        raise NotFoundError(f"code {code!r}")
    return ProblemType(
        type=type_of(code),
        title=title_of(code),
        status=CODES[code].status,
        code=code,
        messages=messages_of(code),
    )


@routes.get("/v1/healthz", summary="See whether the function answers")
def get_health(services: Api) -> Health:
    """Touches nothing behind the function."""
    return Health(status="ok")


@cache
def _document() -> OpenApiDocument:
    return OpenApiDocument.model_validate_json(OPENAPI_PATH.read_bytes())
