"""Learned weights of tokens in the index: stored, private, exact, and in no one's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import text

from common.domain import Term
from common.encoders import QueryEncoders
from common.encoders.onnx_text import load_text
from common.search_index import replace_video
from functions.search.calibration import sparse_score
from functions.search.encoding import Encoders
from functions.search.finder import Finder
from functions.search.model import Request, Scope
from functions.search.retrieval import Asked, Retrieval
from tests.checkpoints import towers
from tests.integration.search.conftest import Library, shown
from tests.library import VERSION, SceneSpec, index_rows, scene_row

#: Token → weight.
Weights = Mapping[int, float]


def _store(
    library: Library, models: QueryEncoders, user_id: UUID, learned: Sequence[Weights]
) -> list[UUID]:
    """Index a video of a scene per row of weights; returns the scenes' ids."""
    video_id = uuid4()
    library.database.owner_rows(
        "INSERT INTO videos (user_id, id, title) VALUES (:user_id, :id, 'Learned')",
        user_id=user_id,
        id=video_id,
    )
    scenes = [
        replace(row, terms=(*row.terms, *_terms(weights)))
        for ordinal, weights in enumerate(learned)
        for row in [scene_row(models, ordinal, SceneSpec(said=("two words",)))]
    ]
    rows = index_rows(VERSION, scenes)
    worker = library.database.as_role("heimdex_worker")
    with worker.tenant(user_id, effect="test.store") as tx:
        replace_video(tx, user_id=user_id, video_id=video_id, rows=rows)
    worker.close()
    return [scene.scene_id for scene in scenes]


def _terms(weights: Weights) -> list[Term]:
    return [
        Term(source="learned", term=str(token), weight=weight) for token, weight in weights.items()
    ]


def _asked(query: Weights) -> Asked:
    return Asked(
        legs=("sparse",),
        text_vector=None,
        frame_vector=None,
        sparse=tuple((str(token), weight) for token, weight in query.items()),
        terms=(),
        tags=(),
        people=(),
        scope=Scope(),
        allowed=None,
    )


def _inner_products(library: Library, user_id: UUID, query: Weights) -> dict[UUID, float]:
    """What the leg proposes, best first, with the products that it is scored by."""
    with library.api.tenant(user_id) as tx:
        rows = Retrieval(tx, user_id=user_id, index_version=VERSION)
        proposed = rows.candidates(_asked(query))["sparse"]
        products = {
            each.scene_id: each.sparse_product for each in rows.evidence(_asked(query), proposed)
        }
    return {scene: products[scene] for scene in proposed}


def _random_rows(count: int, *, seed: int) -> tuple[list[Weights], npt.NDArray[np.float32]]:
    """Sparse rows over 60 tokens, and the same as a dense matrix."""
    random = np.random.default_rng(seed)
    matrix = random.random((count, 60), dtype=np.float32) * (random.random((count, 60)) < 0.3)
    rows: list[Weights] = [{int(t): float(row[t]) for t in np.flatnonzero(row)} for row in matrix]
    return rows, matrix


def test_inner_products_are_exact(library: Library, models: QueryEncoders) -> None:
    """The database's inner products of a query with every scene are NumPy's, in the same order."""
    rows, matrix = _random_rows(40, seed=1)
    ids = _store(library, models, library.user_id, rows)
    queries, query_matrix = _random_rows(5, seed=2)
    for query, expected in zip(queries, query_matrix.astype(float) @ matrix.T, strict=True):
        found = _inner_products(library, library.user_id, query)
        by_scene = dict(zip(ids, expected.tolist(), strict=True))
        assert found == pytest.approx({k: v for k, v in by_scene.items() if v > 0}, rel=1e-6)
        assert len(found) > 20
        ordered = sorted(found, key=lambda scene: -by_scene[scene])
        assert list(found) == ordered


def test_learned_terms_are_the_tenants_own(library: Library, models: QueryEncoders) -> None:
    """The same tokens of two tenants: each sees its own scenes, a third sees none."""
    mine = _store(library, models, library.user_id, [{5: 0.5}, {6: 1.0}])
    theirs = _store(library, models, library.other_id, [{5: 2.0}])
    query = {5: 1.0, 6: 1.0}
    assert _inner_products(library, library.user_id, query) == {mine[1]: 1.0, mine[0]: 0.5}
    assert _inner_products(library, library.other_id, query) == {theirs[0]: 2.0}
    assert _inner_products(library, uuid4(), query) == {}


def test_lengths_do_not_count_learned_terms(library: Library, models: QueryEncoders) -> None:
    """A scene of two words is two words long, whatever its tokens weigh."""
    (scene,) = _store(library, models, library.user_id, [{5: 100.0, 6: 50.0}])
    (lengths,) = library.database.owner_rows(
        "SELECT transcript_length, screen_length FROM scenes WHERE id = :id", id=scene
    )
    assert tuple(lengths) == (2, 0)


def test_they_go_with_their_video(library: Library, models: QueryEncoders) -> None:
    """A video that is indexed again, or deleted, leaves no learned terms behind."""
    (scene,) = _store(library, models, library.user_id, [{5: 1.0}])
    library.database.owner_rows("DELETE FROM scenes WHERE id = :id", id=scene)
    assert not library.database.owner_rows("SELECT 1 FROM scene_terms WHERE source = 'learned'")


def _leg_by_leg(library: Library) -> list[object]:
    """What the statements that read terms find; fusion may hide one leg's mistake."""
    asked = Asked(
        legs=("lexical", "screen"),
        text_vector=None,
        frame_vector=None,
        terms=(("train", 0.5), ("3", 0.5)),
        tags=(),
        people=(),
        scope=Scope(),
        allowed=None,
    )
    with library.api.tenant(library.user_id) as tx:
        rows = Retrieval(tx, user_id=library.user_id, index_version=VERSION)
        return [
            rows.candidates(asked),
            rows.frequencies(["train", "3", "quest"]),
            rows.scenes_with(["train leaves", "exit 3"], Scope()),
        ]


def test_other_search_does_not_see_them(library: Library) -> None:
    """Token ids that look like words of a query change no hit, score or explanation."""
    queries = ("EXIT 3", "the train leaves", "기차가 출발", '"to be or not"', "빨간 차 밤에")
    before = [library.find(query) for query in queries]
    legs_before = _leg_by_leg(library)
    worker = library.database.as_role("heimdex_worker")
    with worker.tenant(library.user_id, effect="test.store") as tx:
        tx.execute(
            text(
                "INSERT INTO scene_terms (user_id, index_version, source, term, scene_id, weight)"
                " SELECT s.user_id, s.index_version, 'learned', t.term, s.id, 9"
                " FROM scenes AS s, (SELECT DISTINCT term FROM scene_terms) AS t"
            )
        )
    worker.close()
    (added,) = library.database.owner_rows(
        "SELECT count(*) FROM scene_terms WHERE source = 'learned' AND term IN ('3', 'train')"
    )
    assert added[0] == 2 * 12
    assert _leg_by_leg(library) == legs_before
    for query, was in zip(queries, before, strict=True):
        now = library.find(query)
        assert library.places(now) == library.places(was)
        assert len(shown(was)) > 0
        assert now == was


@pytest.mark.torch
@pytest.mark.xdist_group("towers")
def test_a_query_is_weighed_by_the_model_of_the_index(
    library: Library, models: QueryEncoders
) -> None:
    """With a text model that gives weights, scenes of the query's tokens come by the sparse leg."""
    tower = load_text(towers.exported("bge-m3"))
    said = ("민지가 손을 흔든다", "a red car at night", "the train leaves")
    weights = [tower.encode_sparse(line) for line in said]
    scenes = _store(library, models, library.user_id, weights)
    encoders = Encoders(replace(models, text=tower))
    finder = Finder(library.api, encoders, index_version=VERSION)
    encoded = encoders.encode("민지가 손을 흔든다")
    assert dict(encoded.sparse) == {str(token): weight for token, weight in weights[0].items()}
    found = finder.find(Request(user_id=library.user_id, text="민지가 손을 흔든다", mode="keyword"))
    assert "sparse" in found.plan.asked.legs
    with library.api.tenant(library.user_id) as tx:
        rows = Retrieval(tx, user_id=library.user_id, index_version=VERSION)
        asked = replace(_asked({}), sparse=encoded.sparse)
        own = sum(weight**2 for weight in weights[0].values())
        best, *_ = rows.candidates(asked)["sparse"]
        (evidence,) = rows.evidence(asked, [scenes[0]])
    assert best == scenes[0]
    assert evidence.sparse_product == pytest.approx(own, rel=1e-5)
    assert sparse_score(dict(encoded.sparse), evidence.sparse_product) == pytest.approx(1)


def test_a_model_without_weights_abstains(library: Library) -> None:
    """The leg says that the index holds none."""
    assert library.find("the train leaves").plan.abstained["sparse"] == "not_in_index"
