"""The OpenAPI 3.1 document, from the same declarations that answer the requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from common.errors import CODES
from common.web import idempotency
from common.web.models import BodyModel, QueryModel, ResponseModel
from common.web.problem import MEDIA_TYPE, RETRY_AFTER_S, Problem
from common.web.routes import Route

#: A JSON object that is only written out.
Json: TypeAlias = dict[str, Any]

_REF = "#/components/schemas/{model}"
_BEARER = "firebase"
_HEADERS = {
    "Accept-Language": "`ko` or `en`: the language of `detail` in problems.",
    idempotency.HEADER: (
        "A value of your choice. The same request with the same key has one effect, and gets the "
        "same answer for 24 hours."
    ),
    "If-None-Match": "The ETag you have; the answer is 304 if nothing changed.",
    "If-Match": "The ETag you have; refused if it changed since.",
}

_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which the same request is worth another try.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def document(routes: Iterable[Route], *, title: str, version: str, description: str) -> Json:
    """Describe the routes.

    Args:
        routes: of all functions behind the one host.
        title: of the API.
        version: of the API.
        description: of the API.
    """
    listed = sorted(routes, key=lambda route: (route.path, route.method))
    schemas = _Schemas(listed)
    paths: dict[str, Json] = {}
    for route in listed:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": _problem_components(listed, schemas.answer(Problem)),
            "parameters": {name: _header(name, text) for name, text in _HEADERS.items()},
            "securitySchemes": {
                _BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A Firebase ID token.",
                }
            },
        },
    }


class _Schemas:
    """The models of all routes as components."""

    def __init__(self, routes: Sequence[Route]) -> None:
        modes: dict[JsonSchemaMode, list[type[BaseModel] | None]] = {
            "validation": [model for route in routes for model in (route.body, route.query)],
            "serialization": [Problem, *(route.response for route in routes)],
        }
        self._references, definitions = models_json_schema(
            [
                (model, mode)
                for mode, models in modes.items()
                for model in dict.fromkeys(models)
                if model
            ],
            ref_template=_REF,
        )
        self.components: Json = dict(sorted(definitions["$defs"].items()))
        self._queries: dict[type[QueryModel], Json] = {
            query: self.components.pop(self._name(query))
            for query in {route.query: None for route in routes if route.query}
        }

    def request(self, model: type[BodyModel]) -> Json:
        """How to refer to a body."""
        return self._references[model, "validation"]

    def query(self, model: type[QueryModel]) -> Json:
        """The schema itself: its fields become parameters, and nothing refers to it."""
        return self._queries[model]

    def answer(self, model: type[ResponseModel]) -> Json:
        """How to refer to an answer."""
        return self._references[model, "serialization"]

    def _name(self, query: type[QueryModel]) -> str:
        return str(self._references[query, "validation"]["$ref"]).rpartition("/")[2]


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "description": _first_paragraph(route.handler.__doc__ or ""),
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(route, schemas),
            *_headers(route),
        ],
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": any(field.is_required() for field in route.body.model_fields.values()),
            "content": {"application/json": {"schema": schemas.request(route.body)}},
        }
    operation["responses"] = {**_success(route, schemas), **_problems(route)}
    operation["security"] = [{_BEARER: []}] if route.authenticated else []
    return operation


def _path_parameters(route: Route) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"} if kind is UUID else {"type": "string"},
        }
        for name, kind in route.path_parameters.items()
    ]


def _query_parameters(route: Route, schemas: _Schemas) -> list[Json]:
    if route.query is None:
        return []
    schema = schemas.query(route.query)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field.get("description", ""),
            "schema": {key: value for key, value in field.items() if key != "description"},
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _headers(route: Route) -> list[Json]:
    names = ["Accept-Language"]
    if route.takes_key:
        names.append(idempotency.HEADER)
    if route.conditional:
        names.append("If-None-Match")
    if "if_match" in route.inputs:
        names.append("If-Match")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _header(name: str, description: str) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


def _success(route: Route, schemas: _Schemas) -> Json:
    if route.response is None:
        return {str(route.status): {"description": "Done; there is no body."}}
    schema = schemas.answer(route.response)
    answers: Json = {
        str(route.status): {
            "description": "Success.",
            "content": {"application/json": {"schema": schema}},
        }
    }
    if route.conditional:
        answers["304"] = {"description": "Nothing changed."}
    return answers


def _problems(route: Route) -> Json:
    """How the route's codes are answered, by their status."""
    return {
        str(status): {"$ref": f"#/components/responses/{_problem_name(codes)}"}
        for status, codes in _by_status(route).items()
    }


def _problem_components(routes: Sequence[Route], problem: Json) -> Json:
    """An answer for every set of codes that some route gives with one status."""
    sets = {codes: None for route in routes for codes in _by_status(route).values()}
    return {
        _problem_name(codes): {
            "description": ", ".join(f"`{code}`" for code in codes),
            **({"headers": _RETRY_AFTER} if _may_wait(codes) else {}),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"allOf": [problem, {"properties": {"code": {"enum": list(codes)}}}]}
                }
            },
        }
        for codes in sorted(sets)
    }


def _may_wait(codes: Sequence[str]) -> bool:
    """Whether some of the codes say when to try again."""
    return any(code in RETRY_AFTER_S or CODES[code].status == 429 for code in codes)


def _by_status(route: Route) -> dict[int, tuple[str, ...]]:
    statuses = sorted({CODES[code].status for code in route.codes})
    return {
        status: tuple(code for code in route.codes if CODES[code].status == status)
        for status in statuses
    }


def _problem_name(codes: Sequence[str]) -> str:
    return ".".join(codes)


def _first_paragraph(docstring: str) -> str:
    return " ".join(docstring.strip().partition("\n\n")[0].split())
