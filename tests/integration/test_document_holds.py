"""The served OpenAPI document against the functions it describes, by generated requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from common.encoders import load
from functions.api.meta import OPENAPI_PATH
from local.postgres import Postgres
from tests.conftest import new_database
from tests.integration.tenants.world import Tenant, World

_DOCUMENT = json.loads(OPENAPI_PATH.read_text(encoding="utf-8"))
_OPERATIONS = [
    (method.upper(), path) for path, methods in _DOCUMENT["paths"].items() for method in methods
]
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: They take nothing, or any text.
_NEVER_WRONG = {"/v1/healthz", "/v1/openapi.json", "/v1/problems/{code}"}
#: Bodies that keep to what the document says in words only.
_IN_WORDS: dict[str, dict[str, object]] = {
    "/v1/search": {"q": "the train", "explain": True},
    "/v1/uploads": {"video": {"content_type": "video/webm", "size_bytes": 7}},
}
#: Requests of each kind to each operation.
_EXAMPLES = 8
_MANY_EXAMPLES = 100


@pytest.fixture(scope="module")
def world(postgres: Postgres) -> Iterator[World]:
    """Both functions over one database."""
    with new_database(postgres) as database:
        made = World(database, load("offline"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def tenant(world: World) -> Tenant:
    """Somebody who has a video with scenes, so that ids can be of something."""
    tenant = world.tenants()[0]
    world.index(tenant, _upload(world, tenant))
    return tenant


@pytest.fixture(scope="module")
def schema(world: World) -> Any:
    """The document as it is served, and behind it both functions, as behind the front door."""

    def front_door(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        name = "search" if environ["PATH_INFO"].startswith("/v1/search") else "api"
        return world.apps[name](environ, start_response)

    return schemathesis.openapi.from_wsgi("/v1/openapi.json", front_door)


@dataclass(kw_only=True)
class Asking:
    """Asks one operation, with what the document allows and with what it does not."""

    world: World
    tenant: Tenant
    operation: Any
    method: str
    path: str
    #: Statuses that came back.
    seen: Counter[int] = field(default_factory=Counter)

    def ask(self, mode: GenerationMode, *, examples: int) -> None:
        """Generate requests; every answer is checked against the document."""
        checks = [*_CHECKS, *([negative_data_rejection] if mode.is_negative else [])]

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self.operation.as_strategy(generation_mode=mode), known=st.booleans())
        def one(case: Any, known: bool) -> None:
            if known and mode.is_positive:
                self._point_at_something(case)
            answer = case.call(headers={"Authorization": f"Bearer {self.tenant.user_id}"})
            case.validate_response(answer, checks=checks)
            self.seen[answer.status_code] += 1

        one()

    def _point_at_something(self, case: Any) -> None:
        """Put ids that are there in the place of invented ones; what may go is made first."""
        video_id = next(iter(self.tenant.videos))
        if self.method in ("DELETE", "POST"):
            video_id = _upload(self.world, self.tenant)
        known = {
            "video_id": video_id,
            "export_id": self.world.export(self.tenant),
            "code": "not_found",
        }
        if self.tenant.videos.get(video_id):
            known["scene_id"] = self.tenant.videos[video_id][0]
        for name in set(case.path_parameters or ()) & set(known):
            case.path_parameters[name] = str(known[name])
        if self.path in _IN_WORDS and self.method == "POST":
            case.body = _IN_WORDS[self.path]
        elif self.path in _IN_WORDS:
            case.query = {"q": "the train"}


def _upload(world: World, tenant: Tenant) -> UUID:
    body = {"video": {"content_type": "video/mp4", "size_bytes": 1000}}
    return UUID(world.call(tenant, "POST", "/v1/uploads", body=body).body["video"]["id"])


@pytest.fixture(params=_OPERATIONS, ids=" ".join)
def asking(request: pytest.FixtureRequest, schema: Any, world: World, tenant: Tenant) -> Asking:
    """Each operation of the document."""
    method, path = request.param
    if (method, path) == ("DELETE", "/v1/me"):
        # Nobody else's account goes.
        tenant = world.tenants()[0]
        world.index(tenant, _upload(world, tenant))
    return Asking(
        world=world, tenant=tenant, operation=schema[path][method], method=method, path=path
    )


def _ask(asking: Asking, *, examples: int) -> None:
    asking.ask(GenerationMode.POSITIVE, examples=examples)
    assert any(status < 400 for status in asking.seen), asking.seen
    if asking.path not in _NEVER_WRONG:
        asking.ask(GenerationMode.NEGATIVE, examples=examples)
    assert asking.seen.total() >= examples // 4


def test_answers_are_as_documented(asking: Asking) -> None:
    """No server error; status, type, headers and body as the document says; nonsense refused."""
    _ask(asking, examples=_EXAMPLES)


@pytest.mark.deep
@pytest.mark.timeout(1_800)
def test_answers_are_as_documented_for_long(asking: Asking) -> None:
    """The same with many more requests."""
    _ask(asking, examples=_MANY_EXAMPLES)
