"""One request through one route: who, what, the transaction, the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import flask
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from werkzeug.datastructures import MultiDict

from common import audit, log
from common.database import Database
from common.errors import QuotaError, StaleSignInError, TransientError
from common.quotas.buckets import BUCKETS, BucketName, charge
from common.web import idempotency
from common.web.conditions import IfMatch, entity_tag
from common.web.idempotency import Answer, Attempt
from common.web.language import preferred
from common.web.models import BodyModel, PageQuery, QueryModel, ResponseModel
from common.web.pages import PageScope, PageTokens
from common.web.principal import RECENT_SIGN_IN_S
from common.web.routes import Authenticate, Principal, Reply, Route
from common.web.validation import parse_body, parse_id, parse_query

ServicesT = TypeVar("ServicesT")

_PAGING = {"page_size", "page_token"}


@dataclass(frozen=True, kw_only=True)
class Dispatcher(Generic[ServicesT]):
    """Runs handlers of one function."""

    services: ServicesT
    authenticate: Authenticate
    database: Database
    page_tokens: PageTokens

    def answer(self, route: Route, path: Mapping[str, str]) -> flask.Response:
        """Answer the current Flask request.

        Args:
            route: the route that matched.
            path: its path parameters, as in the URL.

        Raises:
            HeimdexError: the request is refused, or fails.
        """
        principal = self._principal(route) if route.authenticated else None
        inputs = self._inputs(route, path, principal)
        if principal is None:
            return _response(route, _answer(route, route.handler(self.services, **inputs)))
        try:
            return _response(route, self._for_principal(route, principal, inputs))
        except QuotaError as refused:
            log.event("quota.refused", code=refused.code)
            self._note_refusal(route, principal, refused)
            raise

    def _for_principal(
        self, route: Route, principal: Principal, inputs: Mapping[str, object]
    ) -> Answer:
        if route.charge is not None and route.effect is None:
            self._charge_apart(principal.user_id, route.charge)
        if "tx" not in route.inputs:
            return _answer(route, route.handler(self.services, **inputs))
        attempt = _attempt(route, principal, inputs)
        with self.database.tenant(principal.user_id, effect=route.effect) as tx:
            return self._once(route, principal, inputs, tx, attempt)

    def _charge_apart(self, user_id: UUID, bucket: BucketName) -> None:
        """Charge a request that only reads, whose own transactions are rolled back.

        Raises:
            QuotaError: refused.
        """
        fails_open = BUCKETS[bucket].fails_open
        try:
            # What goes on without the database's word need not wait for its disk either.
            with self.database.tenant(
                user_id, effect="quota.charge", waits_for_disk=not fails_open
            ) as tx:
                charge(tx, user_id, bucket)
        except (TransientError, DBAPIError) as error:
            if not fails_open:
                raise
            log.event("quota.unchecked", severity="ERROR", bucket=bucket, error=error)

    def _note_refusal(self, route: Route, principal: Principal, refused: QuotaError) -> None:
        """Remember it, apart from the transaction that came to nothing; reading is only logged."""
        if route.effect is None:
            return
        try:
            with self.database.tenant(principal.user_id, effect="audit.record") as tx:
                audit.record_refusal(tx, principal.user_id, refused.code)
        except (TransientError, DBAPIError) as error:
            log.event("audit.unrecorded", severity="ERROR", error=error)

    def _once(
        self,
        route: Route,
        principal: Principal,
        inputs: Mapping[str, object],
        tx: Connection,
        attempt: Attempt | None,
    ) -> Answer:
        """Charge and run the handler in its transaction, unless its key has an answer already."""
        if attempt is not None and (stored := idempotency.claim(tx, attempt)) is not None:
            return stored
        if route.charge is not None and route.effect is not None:
            charge(tx, principal.user_id, route.charge)
        answer = _answer(route, route.handler(self.services, **inputs, tx=tx))
        if attempt is not None:
            idempotency.keep(tx, attempt, answer)
        return answer

    def _principal(self, route: Route) -> Principal:
        principal = self.authenticate(flask.request.headers, check_revoked=route.check_revoked)
        if route.recent_sign_in and time.time() - principal.signed_in_s > RECENT_SIGN_IN_S:
            raise StaleSignInError
        return principal

    def _inputs(
        self, route: Route, path: Mapping[str, str], principal: Principal | None
    ) -> dict[str, object]:
        """The handler's keyword arguments, all but the transaction."""
        request = flask.request
        inputs: dict[str, object] = {
            name: parse_id(path[name]) if kind is UUID else path[name]
            for name, kind in route.path_parameters.items()
        }
        query = parse_query(route.query or QueryModel, MultiDict(request.args))
        provided = {
            "principal": principal,
            "query": query,
            "if_match": IfMatch(tags=request.if_match),
            "language": preferred(request.headers.get("Accept-Language")),
        }
        inputs |= {name: value for name, value in provided.items() if name in route.inputs}
        if route.body is not None:
            inputs["body"] = parse_body(route.body, request.get_data(), mimetype=request.mimetype)
        if principal is not None and isinstance(query, PageQuery) and "page" in route.inputs:
            scope = _scope(route, principal, query, inputs.get("body"))
            inputs["page"] = self.page_tokens.page(
                scope, size=query.page_size, token=query.page_token
            )
        return inputs


def _scope(route: Route, principal: Principal, query: PageQuery, body: object) -> PageScope:
    return PageScope(
        user_id=principal.user_id,
        route=f"{route.method} {flask.request.path}",
        parameters=query.model_dump_json(exclude=_PAGING) + _canonical(body),
    )


def _canonical(body: object) -> str:
    """What a body means, however it was written."""
    return body.model_dump_json() if isinstance(body, BodyModel) else ""


def _attempt(route: Route, principal: Principal, inputs: Mapping[str, object]) -> Attempt | None:
    key = flask.request.headers.get(idempotency.HEADER)
    if not route.takes_key or key is None:
        return None
    return idempotency.attempt(
        principal.user_id,
        key,
        route=f"{route.method} {flask.request.full_path}",
        body=_canonical(inputs.get("body")),
    )


def _answer(route: Route, returned: object) -> Answer:
    """What the handler returned, as it is sent and stored."""
    model = returned.body if isinstance(returned, Reply) else returned
    return Answer(
        status=route.status,
        body=model.model_dump_json() if isinstance(model, ResponseModel) else None,
        headers=returned.headers if isinstance(returned, Reply) else {},
    )


def _response(route: Route, answer: Answer) -> flask.Response:
    """The answer as it goes out; 304 without a body if the client has it already."""
    response = flask.Response(answer.body, answer.status, mimetype="application/json")
    if answer.body is None:
        del response.headers["Content-Type"]
    response.headers.update(answer.headers)
    if route.conditional and answer.body is not None:
        response.set_etag(entity_tag(answer.body))
        response.make_conditional(flask.request)
    return response
