"""A library of two tenants, and search over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
import sqlalchemy

from common.database import Database
from common.encoders import QueryEncoders, load
from functions.search.encoding import Encoders
from functions.search.finder import Finder, Found
from functions.search.model import Ranked, Request
from functions.search.moment import Moment
from local.postgres import Postgres
from tests.conftest import _TEMPLATE, TestDatabase
from tests.library import (
    VERSION,
    SceneSpec,
    VideoSpec,
    green_field_at_noon,
    plain,
    red_car_at_night,
    store,
)

TRIP = VideoSpec(
    title="Trip",
    scenes=(
        SceneSpec(said=("The train leaves from platform four", "Please mind the gap")),
        SceneSpec(said=("기차가 곧 출발합니다", "승객 여러분은 자리에 앉아 주세요")),
        SceneSpec(pictures=(plain(120, 120, 125), red_car_at_night())),
        SceneSpec(pictures=(green_field_at_noon(),)),
        SceneSpec(shown=("EXIT 3", "Departures"), pictures=(plain(235, 235, 235),)),
        SceneSpec(said=("할머니가 빨간 모자를 샀다", "강아지는 밤에 짖는다")),
    ),
)
KITCHEN = VideoSpec(
    title="Kitchen",
    scenes=(
        SceneSpec(said=("We boil the noodles for three minutes",)),
        SceneSpec(said=("My grandmother taught me this soup recipe when I was a child",)),
        SceneSpec(said=("He could not stop crying at the funeral",)),
        SceneSpec(said=("The law was changed last year",)),
        SceneSpec(shown=("서울역 3번 출구",), said=("Turn left at the corner",)),
        SceneSpec(said=("to be or not to be", "that is the question")),
    ),
)
FOREIGN = VideoSpec(
    title="Foreign",
    scenes=(
        SceneSpec(said=("The train leaves from platform four", "기차가 곧 출발합니다")),
        SceneSpec(shown=("EXIT 3",), pictures=(red_car_at_night(),)),
    ),
)


def shown(found: Found) -> list[tuple[Ranked, Moment]]:
    """The best scene of each entry, with what there is to show of it."""
    best = [entry.best.best for entry in found.page]
    return [(hit, found.moments[hit.evidence.scene_id]) for hit in best]


@dataclass(frozen=True, kw_only=True)
class Library:
    """What is stored, and a way to search it as its owner."""

    database: TestDatabase
    api: Database
    finder: Finder
    user_id: UUID
    other_id: UUID
    #: Scene ids by video title, in order.
    scenes: dict[str, list[UUID]]
    foreign: frozenset[UUID]

    def find(self, text: str, **options: object) -> Found:
        """Search as the owner of Trip and Kitchen."""
        request = Request(user_id=self.user_id, text=text)
        return self.finder.find(replace(request, **options))  # type: ignore[arg-type]  # by name

    def places(self, found: Found) -> list[str]:
        """The hits as e.g. "Trip 2"."""
        names = {
            scene: f"{title} {place}"
            for title, scenes in self.scenes.items()
            for place, scene in enumerate(scenes)
        }
        return [names[hit.evidence.scene_id] for hit, _ in shown(found)]


@pytest.fixture(scope="session")
def models() -> QueryEncoders:
    """The offline profile's models."""
    return load("offline")


@contextmanager
def _copied(postgres: Postgres, template: str) -> Iterator[TestDatabase]:
    name = f"library_{uuid4().hex}"
    postgres.create_database(name, template=template)
    owner = sqlalchemy.create_engine(postgres.url(name), poolclass=sqlalchemy.NullPool)
    yield TestDatabase(postgres=postgres, name=name, owner=owner)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def stored_library(postgres: Postgres, models: QueryEncoders) -> Iterator[Library]:
    """Two videos of one user, one of another; only copied, for a template must not be in use."""
    with _copied(postgres, _TEMPLATE) as database:
        user_id, other_id = uuid4(), uuid4()
        for user in (user_id, other_id):
            database.owner_rows(
                "INSERT INTO users (id, firebase_uid, tier) VALUES (:id, :uid, 'enterprise')",
                id=user,
                uid=str(user),
            )
        worker, api = database.as_role("heimdex_worker"), database.as_role("heimdex_api")
        scenes = store(database, worker, models, user_id, [TRIP, KITCHEN])
        foreign = store(database, worker, models, other_id, [FOREIGN])
        worker.close()
        yield Library(
            database=database,
            api=api,
            finder=Finder(api, Encoders(models), index_version=VERSION),
            user_id=user_id,
            other_id=other_id,
            scenes=scenes,
            foreign=frozenset(foreign["Foreign"]),
        )


@contextmanager
def _copy_of(stored: Library, postgres: Postgres, models: QueryEncoders) -> Iterator[Library]:
    with _copied(postgres, stored.database.name) as database:
        api = database.as_role("heimdex_api")
        finder = Finder(api, Encoders(models), index_version=VERSION)
        yield replace(stored, database=database, api=api, finder=finder)
        api.close()


@pytest.fixture(scope="session")
def shared_library(
    stored_library: Library, postgres: Postgres, models: QueryEncoders
) -> Iterator[Library]:
    """A copy of the library for tests that change nothing."""
    with _copy_of(stored_library, postgres, models) as copy:
        yield copy


@pytest.fixture
def library(
    stored_library: Library, postgres: Postgres, models: QueryEncoders
) -> Iterator[Library]:
    """A copy of the library for a test that changes it."""
    with _copy_of(stored_library, postgres, models) as copy:
        yield copy
