"""Eight tenants with the API and search functions over one Postgres, and what each may see."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import flask
import numpy as np

from common.domain import SceneRow
from common.encoders import QueryEncoders
from common.search_index import replace_video
from common.web.app import create_app
from functions.api.routes import routes as api_routes
from functions.api.services import Api
from functions.search.encoding import Encoders
from functions.search.finder import Finder
from functions.search.routes import routes as search_routes
from functions.search.services import SearchServices
from tests.conftest import TestDatabase, settings
from tests.face_library import Face, Library, identities
from tests.integration.api.world import authenticate, make_signer
from tests.library import VERSION, SceneSpec, index_rows, red_car_at_night, scene_row

TENANTS = 8

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
#: A word that only one tenant's titles, speech and signs contain.
_MARK = re.compile(r"mark[a-h]{4}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a tenant sees."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: Any

    def like(self) -> tuple[object, ...]:
        """All of it but what is new with every request."""
        headers = tuple(pair for pair in self.headers if pair[0] != "X-Request-Id")
        body = self.body | {"instance": ""} if isinstance(self.body, dict) else self.body
        return self.status, headers, body


@dataclass(kw_only=True)
class Tenant:
    """One of the eight, and what is theirs as far as the test knows."""

    place: int
    user_id: UUID = field(default_factory=uuid4)
    #: Scenes by video; none before it is indexed.
    videos: dict[UUID, list[UUID]] = field(default_factory=dict)
    #: Every id that ever was theirs.
    ids: set[str] = field(default_factory=set)
    #: An archive of all that is theirs, once they asked for one.
    export_id: UUID | None = None
    #: People, photos and faces by the names of path parameters; none before they were asked for.
    faces: dict[str, UUID] = field(default_factory=dict)
    #: A token for the second page of their videos, if there ever was one.
    page_token: str = ""

    def __post_init__(self) -> None:
        self.ids.add(str(self.user_id))

    @property
    def mark(self) -> str:
        """The word that is theirs alone; the same in every run, so that models see it once."""
        return f"mark{'abcdefgh'[self.place] * 4}"


class World:
    """The functions, and the one way in: every answer is searched for what is not the asker's.

    Args:
        database: of the test.
        models: of the search function.
    """

    def __init__(self, database: TestDatabase, models: QueryEncoders) -> None:
        self._database = database
        self._worker = database.as_role("heimdex_worker")
        self._api = database.as_role("heimdex_api")
        self._models = models
        #: The functions by name.
        self.apps = {"api": self._serve_api(), "search": self._serve_search()}
        self._http = {name: app.test_client() for name, app in self.apps.items()}
        #: Whose an id is; of all tenants there ever were.
        self._owner: dict[str, UUID] = {}
        self.operations = 0
        self.probes = 0
        self.searched_hits = 0

    def close(self) -> None:
        """Close the pools."""
        self._worker.close()
        self._api.close()

    def tenants(self) -> list[Tenant]:
        """Eight new ones."""
        made = [Tenant(place=place) for place in range(TENANTS)]
        for tenant in made:
            self._database.owner_rows(
                "INSERT INTO users (id, firebase_uid, email, tier) "
                "VALUES (:id, :uid, :email, 'enterprise')",
                id=tenant.user_id,
                uid=str(tenant.user_id),
                email=f"{tenant.mark}@example.com",
            )
            self._owner[str(tenant.user_id)] = tenant.user_id
        return made

    def own(self, tenant: Tenant, *ids: UUID) -> None:
        """Note whose these are."""
        for each in ids:
            tenant.ids.add(str(each))
            self._owner[str(each)] = tenant.user_id

    def call(
        self,
        tenant: Tenant,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request of a tenant; asserts that nothing foreign is in the answer."""
        self.operations += 1
        http = self._http["search" if path.startswith("/v1/search") else "api"]
        address = f"{path}?{urlencode(query, doseq=True)}" if query else path
        data = None if body is None else json.dumps(body)
        response = http.open(
            address,
            method=method,
            data=data,
            headers={
                "Authorization": f"Bearer {tenant.user_id}",
                "Content-Type": "application/json",
                **(headers or {}),
            },
        )
        assert response.status_code < 500, (method, path, response.text)
        self._assert_own(tenant, response.text + str(response.headers), f"{address} {data}")
        return Answer(
            status=response.status_code,
            headers=tuple(sorted(response.headers.items())),
            body=response.get_json(silent=True),
        )

    def index(self, tenant: Tenant, video_id: UUID) -> None:
        """What the pipeline does, as its role: two scenes, found by words and by pictures."""
        rows = [replace(row, scene_id=uuid4()) for row in self._rows(tenant.mark)]
        self._database.owner_rows(
            "UPDATE videos SET state = 'indexed', scene_count = 2, index_version = :version,"
            " indexed_at = clock_timestamp(), duration_ms = 20000 WHERE id = :id",
            id=video_id,
            version=VERSION,
        )
        self._database.owner_rows(
            "UPDATE upload_objects SET finalized_at = clock_timestamp(), generation = 1 "
            "WHERE video_id = :id",
            id=video_id,
        )
        with self._worker.tenant(tenant.user_id, effect="test.store") as tx:
            replace_video(
                tx, user_id=tenant.user_id, video_id=video_id, rows=index_rows(VERSION, rows)
            )
        tenant.videos[video_id] = [row.scene_id for row in rows]
        self.own(tenant, *tenant.videos[video_id])

    def export(self, tenant: Tenant) -> UUID:
        """An archive that waits to be built."""
        if tenant.export_id is None:
            answer = self.call(tenant, "POST", "/v1/exports", body={})
            tenant.export_id = UUID(answer.body["id"])
            self.own(tenant, tenant.export_id)
        return tenant.export_id

    def meet(self, tenant: Tenant, video_id: UUID) -> dict[str, UUID]:
        """Somebody whom the tenant knows, with a photo, and two clusters of faces of nobody yet.

        They stay as long as the video in which the faces are.
        """
        if tenant.faces.get("in_video_id") not in tenant.videos:
            library = Library(database=self._database, user_id=tenant.user_id)
            library.consent()
            looks = identities(np.random.default_rng(tenant.place), 2)
            faces = [
                Face(video_id=video_id, time_ms=500 + 1_000 * n, vector=looks[n % 2])
                for n in range(4)
            ]
            library.add_faces(faces)
            person_id = library.add_person(tenant.mark)
            tenant.faces = {
                "in_video_id": video_id,
                "person_id": person_id,
                "photo_id": library.add_photo(person_id, looks[0]),
                "cluster_id": library.add_cluster(faces[::2]),
                "other_cluster_id": library.add_cluster(faces[1::2]),
                "face_id": faces[0].observation_id,
            }
            ids = [face.observation_id for face in faces]
            self.own(tenant, *ids, *tenant.faces.values())
        return tenant.faces

    def _assert_own(self, tenant: Tenant, text: str, sent: str) -> None:
        """No id and no mark of another, but what the asker said itself and is told again."""
        foreign = {
            each
            for each in set(_UUID.findall(text)) - set(_UUID.findall(sent))
            if self._owner.get(each, tenant.user_id) != tenant.user_id
        }
        assert not foreign, f"{tenant.user_id} sees {foreign}"
        marks = set(_MARK.findall(text)) - set(_MARK.findall(sent)) - {tenant.mark}
        assert not marks, f"{tenant.user_id} sees {marks}"

    @cache  # noqa: B019 - lives as long as the world
    def _rows(self, mark: str) -> tuple[SceneRow, ...]:
        specs = (
            SceneSpec(said=(f"the train to {mark} leaves",), pictures=(red_car_at_night(),)),
            SceneSpec(shown=(f"EXIT {mark}",), said=("기차가 곧 출발합니다",)),
        )
        return tuple(scene_row(self._models, n, spec) for n, spec in enumerate(specs))

    def _serve_api(self) -> flask.Flask:
        given = settings(
            max_upload_bytes=1_000_000, feature_face=True, feature_face_enrollment=True
        )
        return self._serve("api", api_routes, Api(settings=given, signer=make_signer()))

    def _serve_search(self) -> flask.Flask:
        finder = Finder(self._api, Encoders(self._models), index_version=VERSION)
        return self._serve("search", search_routes, SearchServices(finder=finder))

    def _serve(self, name: str, routes: Any, services: Any) -> flask.Flask:
        return create_app(
            name,
            routes,
            services,
            settings=settings(),
            authenticate=authenticate,
            database=self._api,
        )
