"""One run: every query asked through the API, leg by leg, and judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from local.client import Client
from local.evaluation.labels import Moment, Query, Split
from local.evaluation.metrics import DEPTH, Outcome, judge

_FORMAT: Final = 1

#: Search parameters of each leg alone; `all` is what users get.
LEGS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "all": {},
        "dense": {"mode": "semantic", "vision_weight": "0", "tags_weight": "0"},
        "words": {"mode": "keyword"},
        "vision": {"mode": "semantic", "text_weight": "0", "tags_weight": "0"},
        "tags": {"mode": "semantic", "text_weight": "0", "vision_weight": "0"},
    }
)
ALL: Final = "all"


class RunFileError(ValueError):
    """A file is not a saved run."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A query's outcome, and what it was judged by."""

    outcome: Outcome
    #: Of text, split and moments: outcomes under different labels are not compared.
    label: str
    #: The first hit, for people.
    first: Moment | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """All answers of one index version and weighting."""

    index_version: str
    #: Of the library that was searched.
    library: str
    #: As given; empty for the service's own.
    weights: Mapping[str, float]
    #: Leg → query id → answer.
    legs: Mapping[str, Mapping[str, Answer]]

    @property
    def name(self) -> str:
        """What tells it from other runs."""
        weights = ",".join(f"{name}:{weight:g}" for name, weight in self.weights.items())
        return f"{self.index_version} with {weights or 'the default weights'}"


def ask(
    client: Client,
    queries: Sequence[Query],
    video_ids: Mapping[str, str],
    *,
    splits: Mapping[Split, Sequence[str]],
    index_version: str,
    library: str,
    weights: Mapping[str, float] = MappingProxyType({}),
    legs: Sequence[str] = tuple(LEGS),
    on_query: Callable[[], None] = lambda: None,
) -> Run:
    """Ask every query of every leg.

    Args:
        client: of the account that holds the library.
        queries: to ask.
        video_ids: of the library's videos, by name.
        splits: names of the videos of each split: a query searches its own half only, so neither
            half's labels depend on the other's videos.
        index_version: that is searched.
        library: that the videos are of, for the record.
        weights: "text", "vision", "tags", "person" → 0–1, for the leg `all`.
        legs: which of `LEGS`.
        on_query: told after each answer.

    Raises:
        ApiError: refused.
    """
    names = {video_id: name for name, video_id in video_ids.items()}
    given = {f"{name}_weight": f"{weight:g}" for name, weight in weights.items()}
    answers: dict[str, dict[str, Answer]] = {}
    for leg in legs:
        answers[leg] = {}
        for query in queries:
            scope = [video_ids[name] for name in splits[query.split]]
            parameters = {**LEGS[leg], **(given if leg == ALL else {})}
            found = client.search(query.text, video_id=scope, page_size=str(DEPTH), **parameters)
            answers[leg][query.id] = _judged(query, found, names)
            on_query()
    return Run(index_version=index_version, library=library, weights=weights, legs=answers)


def label_of(query: Query) -> str:
    """8 hex digits that change with what is asked or what answers it."""
    told = repr((query.text, query.split, query.moments))
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def save(run: Run, path: Path) -> None:
    """Write a run as JSON, a line per answer, so that two of them can be compared by eye too."""
    legs = [
        f"    {json.dumps(leg)}: {{\n"
        + ",\n".join(
            f"      {json.dumps(query)}: {json.dumps(asdict(answer), ensure_ascii=False)}"
            for query, answer in sorted(answers.items())
        )
        + "\n    }"
        for leg, answers in run.legs.items()
    ]
    head = {
        "format": _FORMAT,
        "index_version": run.index_version,
        "library": run.library,
        "weights": dict(run.weights),
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    body = ",\n".join([*lines, '  "legs": {\n' + ",\n".join(legs) + "\n  }"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{{\n{body}\n}}\n", encoding="utf-8")


def load(path: Path) -> Run:
    """Read a saved run.

    Raises:
        RunFileError: it is not one, or of another format.
        OSError: it cannot be read.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise RunFileError(f"{path} has format {data['format']}, not {_FORMAT}")
        return Run(
            index_version=str(data["index_version"]),
            library=str(data["library"]),
            weights={str(name): float(weight) for name, weight in data["weights"].items()},
            legs={
                leg: {query: _answer(each) for query, each in answers.items()}
                for leg, answers in data["legs"].items()
            },
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunFileError(f"{path} is not a saved run: {error!r}") from error


def _answer(data: Mapping[str, Any]) -> Answer:
    first = data["first"]
    return Answer(
        outcome=Outcome(**data["outcome"]),
        label=str(data["label"]),
        first=Moment(**first) if first else None,
    )


def _judged(query: Query, found: Mapping[str, Any], names: Mapping[str, str]) -> Answer:
    hits = [
        Moment(
            # A video out of scope is a wrong hit like any other.
            video=names.get(hit["video_id"], hit["video_id"]),
            start_ms=int(hit["start_ms"]),
            end_ms=int(hit["end_ms"]),
        )
        for hit in found["hits"]
    ]
    return Answer(
        outcome=judge(query, hits, said_nothing=bool(found["nothing_found"])),
        label=label_of(query),
        first=hits[0] if hits else None,
    )
