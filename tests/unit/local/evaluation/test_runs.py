"""Saved runs, and runs side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from local.client import Client
from local.evaluation.compare import comparable, differences, failures
from local.evaluation.labels import Moment, Query
from local.evaluation.runs import ALL, Run, RunFileError, ask, label_of, load, save

_MOMENT = Moment(video="lake", start_ms=0, end_ms=5_000)
_QUERIES = [
    Query(
        id=f"{split}-{number}",
        split=split,
        language="ko",
        kind="colour",
        text=f"빨간 배 {number}",
        moments=(_MOMENT,) if number % 4 else (),
    )
    for split in ("dev", "test")
    for number in range(24)
]


class _Service:
    """Answers as the search endpoint does, and notes what it was asked."""

    def __init__(self, hits: Mapping[str, list[Moment]]) -> None:
        self._hits = hits
        self.asked: list[dict[str, Any]] = []

    def search(self, query: str, **parameters: Any) -> dict[str, Any]:
        self.asked.append({"q": query, **parameters})
        hits = self._hits.get(query, [])
        return {
            "nothing_found": not hits,
            "hits": [
                {"video_id": f"id-{h.video}", "start_ms": h.start_ms, "end_ms": h.end_ms}
                for h in hits
            ],
        }


def _run(service: _Service, **options: Any) -> Run:
    return ask(
        cast(Client, service),
        _QUERIES,
        {"lake": "id-lake", "sea": "id-sea"},
        splits={"dev": ["lake"], "test": ["lake", "sea"]},
        index_version="offline-1",
        library="drawn",
        **options,
    )


def _perfect() -> Run:
    return _run(_Service({q.text: list(q.moments) for q in _QUERIES}), legs=(ALL,))


def _blind() -> Run:
    return _run(_Service({}), legs=(ALL,))


def test_each_half_is_searched_on_its_own() -> None:
    """A query's scope is the videos of its half, so labels need not know the other half."""
    service = _Service({})
    _run(service, legs=(ALL,))
    scopes = {(len(q["video_id"])) for q in service.asked[:24]}
    assert scopes == {1}
    assert service.asked[-1]["video_id"] == ["id-lake", "id-sea"]


def test_weights_go_to_the_whole_and_legs_have_their_own() -> None:
    """A weighting under test must not leak into the runs that show one leg alone."""
    service = _Service({})
    _run(service, legs=(ALL, "vision"), weights={"text": 0.6, "vision": 0.4})
    whole, alone = service.asked[0], service.asked[-1]
    assert (whole["text_weight"], whole["vision_weight"]) == ("0.6", "0.4")
    assert (alone["mode"], alone["text_weight"]) == ("semantic", "0")
    assert "vision_weight" not in alone


def test_a_saved_run_comes_back_as_it_was(tmp_path: Path) -> None:
    """Everything that comparisons need survives the file."""
    run = replace(_perfect(), weights={"text": 0.5})
    save(run, tmp_path / "new" / "run.json")
    assert load(tmp_path / "new" / "run.json") == run


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 9}', "\udce9"])
def test_what_is_no_run_is_refused(tmp_path: Path, content: str) -> None:
    """A wrong file gets an error that names it, not a traceback."""
    path = tmp_path / "other.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunFileError, match=r"other\.json"):
        load(path)


def test_a_blind_search_fails_the_gate_and_an_equal_one_passes() -> None:
    """The held-out measures that fall are named; without a change there is nothing to name."""
    perfect = _perfect()
    assert failures(_QUERIES, perfect, perfect) == []
    worse = {each.measure for each in failures(_QUERIES, perfect, _blind())}
    assert worse == {"MRR", "recall@5", "nothing precision"}


def test_an_improvement_passes_the_gate() -> None:
    """Significant is not enough: it must be worse."""
    assert failures(_QUERIES, _blind(), _perfect()) == []


def test_the_gate_looks_at_the_held_out_half_only() -> None:
    """Losing the development half says nothing of unseen queries."""
    perfect, blind = _perfect(), _blind()
    answers = {
        query.id: (blind if query.split == "dev" else perfect).legs[ALL][query.id]
        for query in _QUERIES
    }
    assert failures(_QUERIES, perfect, replace(perfect, legs={ALL: answers})) == []


def test_queries_labelled_anew_are_not_compared() -> None:
    """An outcome under other labels is not the same query's."""
    run = _perfect()
    relabelled = replace(_QUERIES[1], moments=(replace(_MOMENT, end_ms=4_000),))
    assert label_of(relabelled) != label_of(_QUERIES[1])
    assert comparable([relabelled, _QUERIES[2]], run, run) == [_QUERIES[2]]


def test_differences_count_what_differs() -> None:
    """Of 12 queries without an answer none differs in MRR; the 36 others do."""
    shown = {each.measure: each for each in differences(_QUERIES, _perfect(), _blind())}
    assert shown["MRR"].differing == 36
    assert (shown["MRR"].before, shown["MRR"].after) == (1.0, 0.0)
    assert shown["MRR"].verdict == "worse"
    assert shown["nothing recall"].verdict == "not shown"


def test_the_file_is_a_line_per_answer(tmp_path: Path) -> None:
    """Two runs can be compared with diff."""
    save(_perfect(), tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text()
    assert len(text.splitlines()) > len(_QUERIES)
    assert len(json.loads(text)["legs"][ALL]) == len(_QUERIES)
