"""The designs that are compared, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from common.encoders import QueryEncoders
from functions.search.encoding import EncodedQuery, Encoders
from functions.search.finder import widths
from functions.search.model import Leg, Scope
from functions.search.retrieval import Asked, Retrieval
from tests.benchmarks import search_peers, search_store
from tests.benchmarks.search_data import FRAMES_PER_SCENE, QUESTIONS, Floats, Tenant

#: Scenes asked for.
K: Final = 20
LEGS: Final[tuple[Leg, ...]] = ("dense", "vision")


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """A query, for the database and for the oracle."""

    encoded: EncodedQuery
    text: Floats
    frame: Floats


Search = Callable[[Connection, Tenant, Question], dict[Leg, list[UUID]]]


def questions(models: QueryEncoders) -> list[Question]:
    """The questions, encoded by the models that made the rows."""
    encoders = Encoders(models)
    found = []
    for said, seen in QUESTIONS:
        frame = models.image.encode(seen)
        assert frame is not None
        spoken, shown = encoders.encode(said), encoders.encode(seen)
        encoded = replace(spoken, frame_vector=shown.frame_vector, frame_code=shown.frame_code)
        found.append(Question(encoded=encoded, text=models.text.encode([said])[0], frame=frame))
    return found


def ours(
    models: QueryEncoders, tx: Connection, tenant: Tenant, question: Question
) -> dict[Leg, list[UUID]]:
    """By codes where the tenant is large, exactly where it is not."""
    rows = Retrieval(tx, user_id=tenant.user_id, index_version=search_store.VERSION)
    asked = Asked(
        legs=LEGS,
        text_vector=question.encoded.text_vector,
        frame_vector=question.encoded.frame_vector,
        widths=widths(models, tenant.scenes),
        text_code=question.encoded.text_code,
        frame_code=question.encoded.frame_code,
        terms=(),
        tags=(),
        people=(),
        scope=Scope(),
        allowed=None,
    )
    return rows.candidates(asked, k=K)


def plain(tx: Connection, tenant: Tenant, question: Question) -> dict[Leg, list[UUID]]:
    """Exact scan of TOASTed columns."""
    parameters = _parameters(tenant, question)
    return {leg: list(tx.execute(search_peers.PLAIN[leg], parameters).scalars()) for leg in LEGS}


def hnsw(
    tx: Connection, tenant: Tenant, question: Question, *, forced: bool
) -> dict[Leg, list[UUID]]:
    """One index for all tenants, filtered; `forced` leaves the planner nothing else."""
    parameters = _parameters(tenant, question)
    with search_peers.only_hnsw(tx, forced=forced):
        return {leg: list(tx.execute(search_peers.HNSW[leg], parameters).scalars()) for leg in LEGS}


def plans(tx: Connection, tenant: Tenant, question: Question, forced: bool) -> dict[str, str]:
    """Indexes that the planner chose, by leg."""
    parameters = _parameters(tenant, question)
    with search_peers.only_hnsw(tx, forced=forced):
        return {
            leg: search_peers.indexes_used(tx, search_peers.HNSW[leg], parameters) for leg in LEGS
        }


def _parameters(tenant: Tenant, question: Question) -> dict[str, object]:
    return {
        "user_id": tenant.user_id,
        "text_vector": question.encoded.text_vector,
        "frame_vector": question.encoded.frame_vector,
        "k": K,
    }


def exact_scores(tenant: Tenant, question: Question) -> dict[Leg, npt.NDArray[np.float64]]:
    """Every scene's score per leg, in double precision from the original vectors."""
    frames = _products(tenant.frames, question.frame)
    return {
        "dense": _products(tenant.text, question.text),
        "vision": frames.reshape(-1, FRAMES_PER_SCENE).max(axis=1),
    }


def _products(vectors: Floats, query: Floats) -> npt.NDArray[np.float64]:
    chunks = np.array_split(vectors, len(vectors) // 20_000 + 1)
    return np.concatenate([chunk.astype(np.float64) @ query.astype(np.float64) for chunk in chunks])
