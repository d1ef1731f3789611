"""Why a moment was found: the words with their times, the frame, a sentence in two languages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from common.lexical import document_terms, tokens
from functions.search.model import Leg, QueryWord, Ranked
from functions.search.moment import Moment, Shown, Spoken, SpokenSegment
from functions.search.query import display

_MAX_MATCHED_WORDS: Final = 50
#: From these scores on, the meaning of what is said may be, and is, what was asked for (see
#: `rank.POSSIBLE` and `rank.STRONG`).
_NEAR: Final = 0.45
_CLOSE: Final = 0.6


@dataclass(frozen=True, kw_only=True)
class MatchedWord:
    """A word of the video that answers a word of the query."""

    text: str
    start_ms: int
    #: Equal to `start_ms` for on-screen text, which is read from one frame.
    end_ms: int
    source: Literal["transcript", "screen"]


@dataclass(frozen=True, kw_only=True)
class Why:
    """A sentence for people."""

    en: str
    ko: str


_ALIKE: Final[Mapping[Leg, Why]] = {
    "vision": Why(en="It looks alike.", ko="화면이 비슷합니다."),
    "dense": Why(en="What is said means something alike.", ko="말한 내용의 뜻이 비슷합니다."),
    "tags": Why(en="It shows the same kind of things.", ko="같은 종류의 것이 보입니다."),
}


def matched_words(hit: Ranked, moment: Moment) -> list[MatchedWord]:
    """The words said and shown that the query asked for, by time; at most 50."""
    spoken = _terms(hit.found.get("lexical", ()))
    shown = _terms(hit.found.get("screen", ()))
    matched = [*_spoken(moment.segments, spoken), *_shown(moment.screen_text, shown)]
    return sorted(matched, key=lambda word: (word.start_ms, word.source))[:_MAX_MATCHED_WORDS]


def best_frame_ms(hit: Ranked, moment: Moment, words: Sequence[MatchedWord]) -> int:
    """The frame to show: the one that looks or reads like the query, or shows whom it names.

    The sharpest if none does.
    """
    if "vision" in hit.found and hit.evidence.frame_ms is not None:
        return hit.evidence.frame_ms
    if read := [word.start_ms for word in words if word.source == "screen"]:
        return read[0]
    asked = [person for person in moment.people if person.person_id in hit.evidence.people]
    if asked:
        return max(asked, key=lambda person: (person.confidence, -person.best_ms)).best_ms
    return moment.best_frame_ms


def why(hit: Ranked) -> Why:
    """What speaks for the hit, the most telling first; for a possible one, also what is missing."""
    return _joined(_reasons(hit))


def why_alike(hit: Ranked) -> Why:
    """What makes a scene like the one it is compared with, the most telling first."""
    alike = [leg for leg in hit.legs if hit.legs[leg].score >= _NEAR]
    strongest_first = sorted(alike, key=lambda leg: -hit.legs[leg].score)
    return _joined(_ALIKE[leg] for leg in strongest_first if leg in _ALIKE)


def _joined(found: Iterable[Why]) -> Why:
    reasons = list(found)
    return Why(en=" ".join(each.en for each in reasons), ko=" ".join(each.ko for each in reasons))


def _reasons(hit: Ranked) -> Iterator[Why]:
    if names := _listed(hit, "people"):
        yield Why(en=f"In the scene: {names}.", ko=f"나오는 사람: {names}.")
    if said := _listed(hit, "lexical"):
        yield Why(en=f"Said: {said}.", ko=f"말한 내용: {said}.")
    if written := _listed(hit, "screen"):
        yield Why(en=f"On screen: {written}.", ko=f"화면 글자: {written}.")
    if seen := _listed(hit, "vision") or _listed(hit, "tags"):
        yield Why(en=f"In the picture: {seen}.", ko=f"화면에 보이는 것: {seen}.")
    meaning = hit.legs["dense"].score if "dense" in hit.legs else 0.0
    if meaning >= _CLOSE:
        yield Why(en="What is said is close in meaning.", ko="검색어와 뜻이 가까운 말이 나옵니다.")
    elif meaning >= _NEAR:
        yield Why(en="What is said may be related.", ko="검색어와 관련 있을 수 있는 말이 나옵니다.")
    elif hit.tier == "possible" and (missing := _quoted(hit.missing)):
        yield Why(en=f"Not found here: {missing}.", ko=f"여기에서 찾지 못한 말: {missing}.")


def _listed(hit: Ranked, leg: Leg) -> str:
    return _quoted(hit.found.get(leg, ()))


def _quoted(words: Iterable[QueryWord]) -> str:
    return ", ".join(f"“{display(word)}”" for word in words)


def _terms(words: Iterable[QueryWord]) -> frozenset[str]:
    return frozenset(term for word in words for term in word.terms)


def _spoken(segments: Iterable[SpokenSegment], asked: frozenset[str]) -> Iterator[MatchedWord]:
    for segment in segments:
        whole = Spoken(text=segment.text, start_ms=segment.start_ms, end_ms=segment.end_ms)
        for timed in segment.words or (whole,):
            for text in _matching(timed.text, asked):
                yield MatchedWord(
                    text=text,
                    start_ms=timed.start_ms,
                    end_ms=timed.end_ms,
                    source="transcript",
                )


def _shown(lines: Iterable[Shown], asked: frozenset[str]) -> Iterator[MatchedWord]:
    """Each word once, where it is first read: a slide stands for many frames."""
    seen: set[str] = set()
    for line in sorted(lines, key=lambda line: line.time_ms):
        for text in _matching(line.text, asked):
            if text not in seen:
                seen.add(text)
                yield MatchedWord(
                    text=text, start_ms=line.time_ms, end_ms=line.time_ms, source="screen"
                )


def _matching(text: str, asked: frozenset[str]) -> list[str]:
    """The words of a text, normalised, that hold a term asked for."""
    initials = {term[0] for term in asked}
    return [
        token.text
        for token in tokens(text)
        # No ending changes how a word begins, so most words need not be stemmed.
        if (token.script != "other" or token.text[0] in initials)
        and asked.intersection(document_terms(token))
    ]
