"""The labelled library: what its videos show and say, and which moments answer which query.

Both are tables beside this file, so that a label can be read, and disputed, without running
anything. A query names its moments by video and time, not by scene: scenes are made by what is
being judged.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final, Literal, TypeVar, get_args

from local.sample import film
from local.sample.film import Line, starts_ms

Split = Literal["dev", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
Language = Literal["en", "ko"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
Kind = Literal[
    "speech-exact",
    "speech-paraphrase",
    "phrase",
    "colour",
    "on-screen text",
    "mixed",
    "nothing",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
WordT = TypeVar("WordT", bound=str)

_VIDEOS: Final = Path(__file__).with_name("videos.tsv")
_QUERIES: Final = Path(__file__).with_name("queries.tsv")
#: A line starts so long after its part of the shot, and lasts so long at most.
_SILENCE_MS: Final = 500
_LINE_MS: Final = 4_500


class LabelError(ValueError):
    """A table of labels cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What stands between two cuts."""

    duration_ms: int
    #: A setting and things in it, e.g. ("sea", "red boat"); see `drawing`.
    picture: tuple[str, ...]
    #: Lines of on-screen text.
    screen: tuple[str, ...]
    #: What is said in each language, spread evenly over the shot.
    english: tuple[str, ...]
    korean: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video of the library."""

    name: str
    split: Split
    shots: tuple[Shot, ...]

    @property
    def duration_ms(self) -> int:
        """Length."""
        return sum(shot.duration_ms for shot in self.shots)

    def lines(self, language: Language) -> list[Line]:
        """Its subtitles in a language, by time; empty if nobody speaks it."""
        starts = starts_ms([shot.duration_ms for shot in self.shots])
        return [
            line
            for start_ms, shot in zip(starts, self.shots, strict=True)
            for line in _spread(shot, start_ms, shot.english if language == "en" else shot.korean)
        ]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A part of a video, from `start_ms` up to, but not including, `end_ms`."""

    video: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class Query:
    """What somebody types, and what answers it."""

    id: str
    split: Split
    language: Language
    kind: Kind
    text: str
    #: Every moment of the split's videos that answers; none for a query that nothing answers.
    moments: tuple[Moment, ...]


@cache
def videos() -> tuple[Video, ...]:
    """The library."""
    return tuple(
        Video(name=name, split=_split(split), shots=tuple(_shot(row) for row in rows))
        for (name, split), rows in groupby(_rows(_VIDEOS), lambda row: (row["video"], row["split"]))
    )


@cache
def queries() -> tuple[Query, ...]:
    """All labelled queries of the library."""
    return read_queries(_QUERIES)


def read_queries(path: Path) -> tuple[Query, ...]:
    """A table of labelled queries.

    Raises:
        LabelError: a row cannot be read, or an id is there twice.
        OSError: the file cannot be read.
    """
    found: dict[str, Query] = {}
    for number, row in enumerate(_rows(path), start=2):
        try:
            query = _query(row)
        except (KeyError, ValueError, AttributeError) as error:
            raise LabelError(f"{path}, line {number}: {error}") from error
        if query.id in found:
            raise LabelError(f"{path}, line {number}: {query.id} is there twice")
        found[query.id] = query
    return tuple(found.values())


@cache
def library_digest() -> str:
    """8 hex digits that change when any video would look, sound or be encoded differently."""
    told = [(video, video.lines("en"), video.lines("ko")) for video in videos()]
    code = [Path(__file__).with_name(name) for name in ("drawing.py", "drawn_library.py")]
    code.append(Path(film.__file__))
    text = repr(told).encode() + b"".join(path.read_bytes() for path in code)
    return hashlib.sha256(text).hexdigest()[:8]


def parse_moment(text: str) -> Moment:
    """`video@12.5-17` in seconds.

    Raises:
        ValueError: it reads otherwise.
    """
    video, _, span = text.strip().partition("@")
    start, _, end = span.partition("-")
    return Moment(video=video, start_ms=round(float(start) * 1000), end_ms=round(float(end) * 1000))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _shot(row: dict[str, str]) -> Shot:
    return Shot(
        duration_ms=round(float(row["seconds"]) * 1000),
        picture=_items(row["picture"], ";"),
        screen=_items(row["screen"], "|"),
        english=_items(row["english"], "|"),
        korean=_items(row["korean"], "|"),
    )


def _query(row: dict[str, str]) -> Query:
    return Query(
        id=row["id"],
        split=_split(row["split"]),
        language=_one_of(LANGUAGES, row["language"]),
        kind=_one_of(KINDS, row["kind"]),
        text=row["text"],
        moments=tuple(parse_moment(each) for each in _items(row["moments"], ",")),
    )


def _split(text: str) -> Split:
    return _one_of(SPLITS, text)


def _one_of(allowed: Sequence[WordT], text: str) -> WordT:
    for each in allowed:
        if each == text:
            return each
    raise ValueError(f"{text!r} is none of {', '.join(allowed)}")


def _items(text: str, separator: str) -> tuple[str, ...]:
    return tuple(item for item in (each.strip() for each in text.split(separator)) if item)


def _spread(shot: Shot, start_ms: int, texts: Sequence[str]) -> Iterator[Line]:
    slot_ms = shot.duration_ms // max(len(texts), 1)
    for place, text in enumerate(texts):
        begins_ms = start_ms + place * slot_ms + _SILENCE_MS
        length_ms = min(slot_ms - 2 * _SILENCE_MS, _LINE_MS)
        yield Line(start_ms=begins_ms, end_ms=begins_ms + length_ms, text=text)
