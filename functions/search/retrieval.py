"""What the database knows of a query: candidates of every leg, and all legs' findings for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from common.errors import NotFoundError
from common.lexical import normalise, phrase_terms
from functions.search import sql
from functions.search.model import Evidence, Leg, Person, Scope
from functions.search.moment import Moment, moment_of

#: Scenes each leg may propose; all proposed scenes are then scored by all legs.
CANDIDATES_PER_LEG: Final = 100
#: Scenes looked through for a quoted phrase, of those that hold all its words.
PHRASE_SCENES: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the legs are asked for, in the database's terms."""

    legs: tuple[Leg, ...]
    text_vector: str | None
    frame_vector: str | None
    #: By binary codes: how many rows to compare exactly, per leg. A leg that is not in it compares
    #: all of the tenant's.
    widths: Mapping[Leg, int] = field(default_factory=dict)
    text_code: str | None = None
    frame_code: str | None = None
    #: (token, weight) of the text model.
    sparse: tuple[tuple[str, float], ...] = ()
    #: (term, share of the query).
    terms: tuple[tuple[str, float], ...]
    #: (tag, share of the query).
    tags: tuple[tuple[str, float], ...]
    people: tuple[UUID, ...]
    scope: Scope
    #: If not None, only these scenes.
    allowed: tuple[UUID, ...] | None
    #: If not None, not this scene.
    other_than: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class LibrarySize:
    """What there is to be searched."""

    #: About.
    scenes: int
    #: When the newest video was indexed; None if there is none.
    indexed_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Example:
    """What a scene is compared by."""

    #: As pgvector writes them; None where the scene has none.
    text_vector: str | None
    frame_vector: str | None
    #: (tag, score).
    tags: tuple[tuple[str, float], ...]


class Retrieval:
    """Reads of one search, in one tenant transaction.

    Args:
        tx: opened by `Database.tenant` for `user_id`.
        user_id: the tenant.
        index_version: what the query was encoded for.
        indexed_until: videos that were indexed later are not there.
    """

    def __init__(
        self,
        tx: Connection,
        *,
        user_id: UUID,
        index_version: str,
        indexed_until: datetime | None = None,
    ) -> None:
        self._tx = tx
        self._until = indexed_until
        self._owner = {
            "user_id": user_id,
            "index_version": index_version,
            "scope_indexed_until": indexed_until,
        }

    def people(self) -> list[Person]:
        """The tenant's enrolled people."""
        return _people(self._tx.execute(sql.people(), self._owner).scalar() or [])

    def library(self) -> LibrarySize:
        """What there is to be searched."""
        scopes = ("indexed_until",) if self._until else ()
        row = self._tx.execute(sql.library(scopes), self._owner).one()
        return LibrarySize(scenes=int(row.scenes), indexed_until=row.indexed_until)

    def frequencies(self, asked: Sequence[str]) -> dict[str, int]:
        """In how many scenes each term occurs; terms that never do are missing."""
        if not asked:
            return {}
        scopes = ("indexed_until",) if self._until else ()
        rows = self._tx.execute(sql.frequencies(scopes), {**self._owner, "terms": list(asked)})
        return {row.term: row.scenes for row in rows}

    def example(self, scene_id: UUID) -> Example:
        """What a scene is compared by.

        Raises:
            NotFoundError: the tenant has no such scene in this index version.
        """
        row = self._tx.execute(sql.example(), {**self._owner, "scene_id": scene_id}).one_or_none()
        if row is None:
            raise NotFoundError("no such scene")
        return Example(
            text_vector=row.text_vector,
            frame_vector=row.frame_vector,
            tags=tuple((tag["tag"], tag["score"]) for tag in row.tags),
        )

    def scenes_with(self, phrases: Sequence[str], scope: Scope) -> tuple[UUID, ...]:
        """Scenes where every phrase is said or shown.

        Args:
            phrases: normalised, not empty.
            scope: which scenes are searched at all.
        """
        found = [self._scenes_with(phrase, scope) for phrase in phrases]
        return tuple(sorted(set.intersection(*found))) if found else ()

    def candidates(self, asked: Asked, *, k: int = CANDIDATES_PER_LEG) -> dict[Leg, list[UUID]]:
        """The k best scenes of each leg; fewer only if the leg knows fewer."""
        found = self._candidates(asked, asked.legs, frozenset(asked.widths), k=k)
        # The nearest frames by code can be of fewer scenes than were asked for.
        short = tuple(leg for leg in asked.widths if leg in found and len(found[leg]) < k)
        return {**found, **self._candidates(asked, short, frozenset(), k=k)}

    def _candidates(
        self, asked: Asked, legs: tuple[Leg, ...], coded: frozenset[Leg], *, k: int
    ) -> dict[Leg, list[UUID]]:
        found: dict[Leg, list[UUID]] = {leg: [] for leg in legs}
        if legs:
            statement = sql.recall(legs, self._among(asked), coded.intersection(legs))
            for leg, ids in self._tx.execute(statement, {**self._parameters(asked), "k": k}):
                found[leg] = [UUID(scene_id) for scene_id in ids or ()]
        return found

    def evidence(self, asked: Asked, scene_ids: Sequence[UUID]) -> list[Evidence]:
        """All legs' findings for each scene; scenes that are gone are missing."""
        if not scene_ids:
            return []
        parameters = {**self._parameters(asked), "scene_ids": _array(scene_ids)}
        rows = self._tx.execute(sql.evidence(asked.legs), parameters).scalar()
        return [_evidence(row) for row in rows or ()]

    def moments(self, scene_ids: Sequence[UUID]) -> dict[UUID, Moment]:
        """What there is to show of each scene."""
        if not scene_ids:
            return {}
        rows = self._tx.execute(sql.moments(), {**self._owner, "scene_ids": _array(scene_ids)})
        return {row.id: moment_of(row) for row in rows}

    def _scenes_with(self, phrase: str, scope: Scope) -> set[UUID]:
        parameters = {
            **self._owner,
            **_restrictions(scope),
            "terms": phrase_terms(phrase),
            "k": PHRASE_SCENES,
        }
        return {
            row.id
            for row in self._tx.execute(sql.with_all_terms(self._scopes(scope)), parameters)
            if any(contains(text, phrase) for text in _texts(row))
        }

    def _scopes(self, scope: Scope) -> tuple[str, ...]:
        """Names of the restrictions that apply."""
        wanted: Mapping[str, bool] = {
            "videos": bool(scope.video_ids),
            "created_from": scope.created_from is not None,
            "created_before": scope.created_before is not None,
            "min_duration": scope.min_duration_ms is not None,
            "max_duration": scope.max_duration_ms is not None,
            "indexed_until": self._until is not None,
            "language": scope.language is not None,
            "speech": scope.has_speech is True,
            "no_speech": scope.has_speech is False,
            "all_people": bool(scope.person_ids) and scope.person_match == "all",
            "any_people": bool(scope.person_ids) and scope.person_match == "any",
        }
        return tuple(name for name, applies in wanted.items() if applies)

    def _among(self, asked: Asked) -> tuple[str, ...]:
        """The restrictions of the scope, and those that the question brings."""
        phrases = ("scenes",) if asked.allowed is not None else ()
        example = ("other_than",) if asked.other_than is not None else ()
        return (*self._scopes(asked.scope), *phrases, *example)

    def _parameters(self, asked: Asked) -> dict[str, Any]:
        return {
            **self._owner,
            **_restrictions(asked.scope),
            "text_vector": asked.text_vector,
            "frame_vector": asked.frame_vector,
            "text_code": asked.text_code,
            "frame_code": asked.frame_code,
            "text_width": asked.widths.get("dense"),
            "frame_width": asked.widths.get("vision"),
            "tokens": [token for token, _ in asked.sparse],
            "token_weights": [weight for _, weight in asked.sparse],
            "terms": [term for term, _ in asked.terms],
            "term_shares": [share for _, share in asked.terms],
            "tags": [tag for tag, _ in asked.tags],
            "tag_shares": [share for _, share in asked.tags],
            "person_ids": list(asked.people),
            "scope_other_than": asked.other_than,
            "scope_scene_ids": list(asked.allowed or ()),
        }


def _restrictions(scope: Scope) -> dict[str, Any]:
    return {
        "scope_video_ids": list(scope.video_ids),
        "scope_created_from": scope.created_from,
        "scope_created_before": scope.created_before,
        "scope_min_duration_ms": scope.min_duration_ms,
        "scope_max_duration_ms": scope.max_duration_ms,
        "scope_language": scope.language,
        "scope_person_ids": list(scope.person_ids),
        "scope_people": len(set(scope.person_ids)),
    }


def contains(text: str, phrase: str) -> bool:
    """Whether a normalised text holds a phrase, and not inside a longer English word."""
    start = text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        if not _splits_word(text, start) and not _splits_word(text, end):
            return True
        start = text.find(phrase, start + 1)
    return False


def _splits_word(text: str, position: int) -> bool:
    """Whether a position lies inside a run of Latin letters or digits."""
    around = text[max(position - 1, 0) : position + 1]
    return 0 < position < len(text) and around.isascii() and around.isalnum()


def _texts(row: Any) -> list[str]:
    """What is said and what is shown in a scene, normalised."""
    spoken = " ".join(segment["text"] for segment in row.transcript)
    shown = " ".join(line["text"] for line in row.screen_text)
    return [normalise(spoken), normalise(shown)]


def _people(rows: Sequence[Any]) -> list[Person]:
    """Those who are part of nobody else, with the names of those who are part of them."""
    others: dict[str, list[str]] = {}
    for _, into, name, aliases in rows:
        if into is not None:
            others.setdefault(into, []).extend((name, *aliases))
    return [
        Person(person_id=UUID(key), name=name, aliases=(*aliases, *others.get(key, ())))
        for key, into, name, aliases in rows
        if into is None
    ]


def _array(ids: Sequence[UUID]) -> str:
    """As Postgres reads arrays; the driver takes long to write hundreds of ids."""
    return "{" + ",".join(map(str, ids)) + "}"


def _evidence(row: Sequence[Any]) -> Evidence:
    (
        scene_id,
        video_id,
        start_ms,
        end_ms,
        text,
        frame,
        frame_ms,
        product,
        spoken,
        shown,
        tags,
        people,
    ) = row
    return Evidence(
        scene_id=UUID(scene_id),
        video_id=UUID(video_id),
        start_ms=start_ms,
        end_ms=end_ms,
        text_cosine=None if text is None else -text,
        frame_cosine=None if frame is None else -frame,
        frame_ms=None if frame is None else frame_ms,
        sparse_product=product or 0.0,
        spoken_terms=frozenset(spoken or ()),
        screen_terms=frozenset(shown or ()),
        tags=tags or {},
        people={UUID(person): confidence for person, confidence in (people or {}).items()},
    )
