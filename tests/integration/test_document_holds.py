"""The served OpenAPI document against the functions it describes, by generated requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
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
from common.people.consent import POLICY_VERSION
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
_CONSENT = {"policy_version": POLICY_VERSION}
#: Bodies that name what is there, by method and path; given the ids of it.
_BODIES: dict[tuple[str, str], Callable[[dict[str, str]], object]] = {
    ("PATCH", "/v1/videos/{video_id}"): lambda _: {"title": "another"},
    ("POST", "/v1/faces/consent"): lambda _: _CONSENT,
    ("POST", "/v1/faces/undo"): lambda _: {},
    ("POST", "/v1/faces/redo"): lambda _: {},
    ("POST", "/v1/faces/clusters/{cluster_id}/name"): lambda ids: {"person_id": ids["person_id"]},
    ("POST", "/v1/faces/clusters/{cluster_id}/merge"): lambda ids: {
        "cluster_id": ids["other_cluster_id"]
    },
    ("POST", "/v1/faces/clusters/{cluster_id}/split"): lambda ids: {"face_ids": [ids["face_id"]]},
    ("PATCH", "/v1/people/{person_id}"): lambda _: {"name": "somebody else"},
    ("POST", "/v1/people/{person_id}/consent"): lambda _: _CONSENT,
    ("POST", "/v1/people/{person_id}/merge"): lambda ids: {"person_id": ids["other_person_id"]},
    ("POST", "/v1/people/{person_id}/not-them"): lambda ids: {"face_ids": [ids["face_id"]]},
    ("POST", "/v1/people/{person_id}/photos"): lambda _: {
        "content_type": "image/jpeg",
        "size_bytes": 1000,
    },
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
            # What is too large is refused before anybody looks what is wrong with it.
            looked_at = (
                mode.is_negative and answer.status_code != HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            )
            case.validate_response(
                answer, checks=[*_CHECKS, *([negative_data_rejection] if looked_at else [])]
            )
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
        if "/people" in self.path or "/faces" in self.path:
            known |= self._meet_somebody()
            case.query = {}
        for name in set(case.path_parameters or ()) & set(known):
            case.path_parameters[name] = str(known[name])
        if body := _BODIES.get((self.method, self.path)):
            case.body = body({name: str(value) for name, value in known.items()})
            case.headers = {}
        if self.path in _IN_WORDS and self.method == "POST":
            case.body = _IN_WORDS[self.path]
        elif self.path in _IN_WORDS:
            case.query = {"q": "the train"}

    def _meet_somebody(self) -> dict[str, UUID]:
        """New people and faces, and something to undo or do again."""
        tenant, video_id = self.tenant, _upload(self.world, self.tenant)
        self.world.index(tenant, video_id)
        tenant.faces = {}
        known = dict(self.world.meet(tenant, video_id))
        other = {"name": "another", "consent": _CONSENT}
        known["other_person_id"] = UUID(self._say("/v1/people", other)["id"])
        if self.path.endswith("do"):
            named = {"person_id": str(known["person_id"])}
            self._say(f"/v1/faces/clusters/{known['cluster_id']}/name", named)
        if self.path.endswith("/redo"):
            self._say("/v1/faces/undo", {})
        return known

    def _say(self, path: str, body: object) -> Any:
        return self.world.call(self.tenant, "POST", path, body=body).body


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
