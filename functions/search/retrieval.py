"""What the database knows of a query: candidates of every leg, and all legs' findings for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

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


class Retrieval:
    """Reads of one search, in one tenant transaction.

    Args:
        tx: opened by `Database.tenant` for `user_id`.
        user_id: the tenant.
        index_version: what the query was encoded for.
    """

    def __init__(self, tx: Connection, *, user_id: UUID, index_version: str) -> None:
        self._tx = tx
        self._owner = {"user_id": user_id, "index_version": index_version}

    def people(self) -> list[Person]:
        """The tenant's enrolled people."""
        rows = self._tx.execute(sql.people(), self._owner)
        return [Person(person_id=row.id, name=row.name) for row in rows]

    def scene_count(self) -> int:
        """About how many scenes the tenant has."""
        return int(self._tx.execute(sql.scene_count(), self._owner).scalar_one())

    def frequencies(self, asked: Sequence[str]) -> dict[str, int]:
        """In how many scenes each term occurs; terms that never do are missing."""
        if not asked:
            return {}
        rows = self._tx.execute(sql.frequencies(), {**self._owner, "terms": list(asked)})
        return {row.term: row.scenes for row in rows}

    def scenes_with(self, phrases: Sequence[str]) -> tuple[UUID, ...]:
        """Scenes where every phrase is said or shown.

        Args:
            phrases: normalised, not empty.
        """
        found = [self._scenes_with(phrase) for phrase in phrases]
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
            statement = sql.recall(legs, _scopes(asked), coded.intersection(legs))
            for leg, scene_id in self._tx.execute(statement, {**self._parameters(asked), "k": k}):
                found[leg].append(scene_id)
        return found

    def evidence(self, asked: Asked, scene_ids: Sequence[UUID]) -> list[Evidence]:
        """All legs' findings for each scene; scenes that are gone are missing."""
        if not scene_ids:
            return []
        parameters = {**self._parameters(asked), "scene_ids": list(scene_ids)}
        return [_evidence(row) for row in self._tx.execute(sql.evidence(), parameters)]

    def moments(self, scene_ids: Sequence[UUID]) -> dict[UUID, Moment]:
        """What there is to show of each scene."""
        if not scene_ids:
            return {}
        rows = self._tx.execute(sql.moments(), {**self._owner, "scene_ids": list(scene_ids)})
        return {row.id: moment_of(row) for row in rows}

    def _scenes_with(self, phrase: str) -> set[UUID]:
        parameters = {
            **self._owner,
            "terms": phrase_terms(phrase),
            "k": PHRASE_SCENES,
        }
        return {
            row.id
            for row in self._tx.execute(sql.with_all_terms(), parameters)
            if any(contains(text, phrase) for text in _texts(row))
        }

    def _parameters(self, asked: Asked) -> dict[str, Any]:
        return {
            **self._owner,
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
            "scope_video_ids": list(asked.scope.video_ids),
            "scope_person_ids": list(asked.scope.person_ids),
            "scope_people": len(set(asked.scope.person_ids)),
            "scope_scene_ids": list(asked.allowed or ()),
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


def _scopes(asked: Asked) -> tuple[str, ...]:
    wanted: Mapping[str, bool] = {
        "videos": bool(asked.scope.video_ids),
        "people": bool(asked.scope.person_ids),
        "scenes": asked.allowed is not None,
    }
    return tuple(name for name, applies in wanted.items() if applies)


def _evidence(row: Any) -> Evidence:
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
        scene_id=scene_id,
        video_id=video_id,
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
