"""The route table: one declaration that Flask, validation and the OpenAPI document all read.

A handler's signature is its declaration. It takes the function's services and, by keyword, what it
asks for:

* `principal: Principal` – the route is for signed-in users (without it, for everyone);
* `body: <BodyModel>`, `query: <QueryModel>` – validated before the handler runs;
* `page: Page` – with a `query: <PageQuery>`;
* `tx: Connection` – a tenant transaction around the handler, committed as the route's effect;
* `if_match: IfMatch`, `language: Language`;
* the path's own parameters, as `UUID` or `str`.

It returns a `ResponseModel`, a `Reply` of one with headers, or None (204).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from sqlalchemy import Connection

from common.errors import CODES
from common.quotas.buckets import BUCKETS, BucketName
from common.web.conditions import IfMatch
from common.web.language import Language
from common.web.models import BodyModel, PageQuery, QueryModel, ResponseModel
from common.web.pages import Page
from common.web.principal import Authenticate, Principal, RequestHeaders

__all__ = ["Authenticate", "Principal", "Reply", "RequestHeaders", "Route", "RouteTable"]

Method = Literal["GET", "POST", "PATCH", "DELETE"]
ServicesT = TypeVar("ServicesT")
HandlerT = TypeVar("HandlerT", bound=Callable[..., object])
ModelT = TypeVar("ModelT", bound=ResponseModel)

_PATH_PARAMETER = re.compile(r"\{(\w+)\}")


#: What a handler may ask for besides body, query and path parameters.
_PROVIDED: Mapping[str, object] = {
    "principal": Principal,
    "page": Page,
    "tx": Connection,
    "if_match": IfMatch,
    "language": Language,
}


@dataclass(frozen=True, kw_only=True)
class Reply(Generic[ModelT]):
    """An answer with headers of its own."""

    body: ModelT
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method of one path."""

    method: Method
    #: E.g. `/v1/videos/{video_id}`.
    path: str
    handler: Callable[..., object]
    summary: str
    #: Status of success.
    status: int
    #: Codes this handler raises itself; those of the machinery are known (`codes`).
    errors: tuple[str, ...]
    #: Name of the durable effect that its transaction is; None for reading.
    effect: str | None
    #: Each request takes one out of this bucket of the user, before the handler runs.
    charge: BucketName | None
    #: Ask Firebase whether the token was revoked or the user disabled.
    check_revoked: bool
    #: Only for whoever signed in within the last minutes: what a stolen or borrowed session must
    #: not be enough for.
    recent_sign_in: bool
    #: Answers carry an ETag and If-None-Match is honoured.
    conditional: bool
    #: Keyword parameters of the handler and their types.
    inputs: Mapping[str, object]
    #: Model of success; None for 204.
    response: type[ResponseModel] | None

    @property
    def name(self) -> str:
        """The handler's name, unique in the API: the operation id."""
        return self.handler.__name__

    @property
    def path_parameters(self) -> dict[str, type[UUID] | type[str]]:
        """Parameters of the path and their types, in order."""
        names = _PATH_PARAMETER.findall(self.path)
        return {name: UUID if self.inputs[name] is UUID else str for name in names}

    @property
    def body(self) -> type[BodyModel] | None:
        """Model of the request's body."""
        model = self.inputs.get("body")
        return model if isinstance(model, type) and issubclass(model, BodyModel) else None

    @property
    def query(self) -> type[QueryModel] | None:
        """Model of the query parameters."""
        model = self.inputs.get("query")
        return model if isinstance(model, type) and issubclass(model, QueryModel) else None

    @property
    def authenticated(self) -> bool:
        """Whether a token is needed."""
        return "principal" in self.inputs

    @property
    def takes_key(self) -> bool:
        """Whether Idempotency-Key has a meaning."""
        return self.method == "POST" and self.effect is not None

    @property
    def codes(self) -> tuple[str, ...]:
        """Every error code this route can answer with, sorted."""
        codes = {"invalid_request", "internal", "request_too_large", *self.errors}
        if self.authenticated:
            codes |= {"unauthenticated", "unavailable"}
        if self.recent_sign_in:
            codes.add("sign_in_again")
        if UUID in self.path_parameters.values():
            codes.add("not_found")
        if "page" in self.inputs:
            codes.add("invalid_page_token")
        if "if_match" in self.inputs:
            codes.add("precondition_failed")
        if self.method == "POST" and self.effect:
            codes |= {"idempotency_key_reused", "idempotency_conflict"}
        if self.charge is not None:
            codes.add(BUCKETS[self.charge].code)
        return tuple(sorted(codes))


class RouteTable(Generic[ServicesT]):
    """The routes of one function, in the order of declaration.

    `ServicesT` is what its handlers are given: the function's adapters and settings.
    """

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    @classmethod
    def joined(cls, *tables: RouteTable[ServicesT]) -> RouteTable[ServicesT]:
        """All routes of several tables that share their services."""
        joined = cls()
        joined._routes = [route for table in tables for route in table]
        return joined

    def get(
        self,
        path: str,
        *,
        summary: str,
        errors: tuple[str, ...] = (),
        conditional: bool = False,
        charge: BucketName | None = None,
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare a handler that only reads."""
        return self._declare(
            "GET", path, summary=summary, errors=errors, conditional=conditional, charge=charge
        )

    def post(
        self,
        path: str,
        *,
        summary: str,
        effect: str | None,
        status: int = 201,
        errors: tuple[str, ...] = (),
        check_revoked: bool = False,
        recent_sign_in: bool = False,
        charge: BucketName | None = None,
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare a handler that makes something; Idempotency-Key is honoured.

        A POST without an effect only reads (its input is too long for a URL); such a request may
        be repeated without a key.
        """
        return self._declare(
            "POST",
            path,
            summary=summary,
            errors=errors,
            effect=effect,
            status=status,
            check_revoked=check_revoked,
            recent_sign_in=recent_sign_in,
            charge=charge,
        )

    def patch(
        self, path: str, *, summary: str, effect: str, errors: tuple[str, ...] = ()
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare a handler that changes something."""
        return self._declare("PATCH", path, summary=summary, errors=errors, effect=effect)

    def delete(
        self,
        path: str,
        *,
        summary: str,
        effect: str,
        errors: tuple[str, ...] = (),
        recent_sign_in: bool = False,
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare a handler that destroys something; revoked tokens are refused."""
        return self._declare(
            "DELETE",
            path,
            summary=summary,
            errors=errors,
            effect=effect,
            check_revoked=True,
            recent_sign_in=recent_sign_in,
        )

    def _declare(
        self,
        method: Method,
        path: str,
        *,
        summary: str,
        errors: tuple[str, ...],
        effect: str | None = None,
        status: int = 200,
        check_revoked: bool = False,
        recent_sign_in: bool = False,
        conditional: bool = False,
        charge: BucketName | None = None,
    ) -> Callable[[HandlerT], HandlerT]:
        def declare(handler: HandlerT) -> HandlerT:
            inputs, response = _signature(handler)
            route = Route(
                method=method,
                path=path,
                handler=handler,
                summary=summary,
                status=status if response else 204,
                errors=errors,
                effect=effect,
                charge=charge,
                check_revoked=check_revoked,
                recent_sign_in=recent_sign_in,
                conditional=conditional,
                inputs=inputs,
                response=response,
            )
            _check(route)
            self._routes.append(route)
            return handler

        return declare


def _signature(
    handler: Callable[..., object],
) -> tuple[Mapping[str, object], type[ResponseModel] | None]:
    """Keyword parameters with their types, and the model that is returned."""
    hints = get_type_hints(handler)
    keywords = {
        name: hints[name]
        for name, parameter in inspect.signature(handler).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    returned = hints["return"]
    if get_origin(returned) is Reply:
        (returned,) = get_args(returned)
    return keywords, None if returned is type(None) else returned


def _check(route: Route) -> None:
    """Refuse a declaration that could not work, when it is made."""
    path_names = set(_PATH_PARAMETER.findall(route.path))
    models = {"body": route.body, "query": route.query}
    for name, kind in route.inputs.items():
        of_path = name in path_names and kind in (UUID, str)
        if not (of_path or models.get(name) or kind == _PROVIDED.get(name)):
            raise TypeError(f"{route.name}: {name}: {kind} cannot be provided")
    if missing := path_names - set(route.inputs):
        raise TypeError(f"{route.name}: path parameters without a keyword: {missing}")
    if unknown := set(route.errors) - set(CODES):
        raise TypeError(f"{route.name}: unknown error codes {unknown}")
    if route.effect is not None and "tx" not in route.inputs:
        raise TypeError(f"{route.name}: an effect needs a transaction")
    if route.recent_sign_in and not (route.authenticated and route.check_revoked):
        raise TypeError(f"{route.name}: a recent sign-in needs a principal who is looked up")
    if route.charge is not None and not route.authenticated:
        raise TypeError(f"{route.name}: a charge needs a principal")
    if "tx" in route.inputs and not route.authenticated:
        raise TypeError(f"{route.name}: a transaction needs a principal")
    if "page" in route.inputs and not (
        route.authenticated and route.query and issubclass(route.query, PageQuery)
    ):
        raise TypeError(f"{route.name}: pages need a principal and a PageQuery")
