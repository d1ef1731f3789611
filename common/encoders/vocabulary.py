"""The zero-shot vocabulary: what tags there are, and which of them a query asks for.

The tags are curated: common in people's own videos, visible in one frame, and distinct. Those of
the offline profile (`common.encoders.tags`) keep their keys.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from common import korean
from common.encoders import colour_words, vocabulary_entries
from common.encoders.scripts import has_hangul
from common.encoders.tags import TAGS as COLOUR_TAGS
from common.encoders.tags import TagWeight
from common.index_version import TAG_VOCABULARY_VERSION

Group = Literal["emotion", "action", "setting", "light", "object"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)

#: Version of tags, phrases and prompts. Raise it, where the index version is made, with any change.
VOCABULARY_VERSION: Final = TAG_VOCABULARY_VERSION


@dataclass(frozen=True, kw_only=True)
class VocabularyTag:
    """A tag, how people see it, and how they say it."""

    #: Stable English key.
    tag: str
    group: Group
    #: Labels.
    en: str
    ko: str
    #: Phrases for prompts, two or three. Those of emotions and actions follow "someone" and precede
    #: "사람"; the others are things, in English with an article.
    phrases_en: tuple[str, ...]
    phrases_ko: tuple[str, ...]
    #: How a query names the tag, the phrases included; "~" ends a stem (see the entries).
    forms: tuple[str, ...]


def _read(group: Group, rows: str) -> Iterator[VocabularyTag]:
    for row in rows.strip().splitlines():
        tag, en, ko, english, hangul, more = (part.strip() for part in row.split("|"))
        phrases_en, phrases_ko = _items(english), _items(hangul)
        yield VocabularyTag(
            tag=tag,
            group=group,
            en=en,
            ko=ko,
            phrases_en=phrases_en,
            phrases_ko=tuple(phrase.rstrip("~") for phrase in phrases_ko),
            forms=tuple(dict.fromkeys((*phrases_en, *phrases_ko, *_items(more)))),
        )


def _items(text: str) -> tuple[str, ...]:
    return tuple(item for item in (each.strip() for each in re.split("[;\n]", text)) if item)


VOCABULARY: Final = (
    *_read("emotion", vocabulary_entries.EMOTION),
    *_read("action", vocabulary_entries.ACTION),
    *_read("setting", vocabulary_entries.SETTING),
    *_read("light", vocabulary_entries.LIGHT),
    *_read("object", vocabulary_entries.OBJECT),
)
TAGS: Final = frozenset(each.tag for each in VOCABULARY)


class VocabularyTags:
    """Query text to tags."""

    def read(self, text: str) -> tuple[TagWeight, ...]:
        """The tags that a query names, equally weighted, in its order; empty if it names none.

        Of forms that overlap, the longest counts ("birthday cake" is no birthday). A tag that is
        negated ("not crying", "차 없는") is not named.

        Args:
            text: Korean, English or both, in any normalisation.
        """
        plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
        matches = _longest(_matches(plain.replace("-", " ")))
        found = {float(m.start): m.tag for m in matches if m.tag and not _negated(plain, m)}
        found |= {place + 0.5: tag for place, tag in _colours(plain, matches)}
        named = list(dict.fromkeys(found[place] for place in sorted(found)))
        return tuple(TagWeight(tag=tag, weight=1 / len(named)) for tag in named)


@dataclass(frozen=True)
class _Match:
    start: int
    stop: int
    #: "" for what only looks like a tag.
    tag: str

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class _Form:
    """A form, and which tag it names."""

    #: English as one, Korean by its spaces.
    words: tuple[str, ...]
    tag: str
    kind: Literal["english", "stem", "noun"]
    #: English: a plural may follow. Korean: a verb made with 하다 may follow (산책하는).
    extended: bool

    def match(self, text: str, start: int) -> _Match | None:
        if self.kind == "english":
            stop = self._english(text, start)
        else:
            stop = _after(text, start, self.words)
            if self.kind == "noun" and stop is not None and not self._noun_ends(text, stop):
                return None
        return None if stop is None else _Match(start, stop, self.tag)

    def _english(self, text: str, start: int) -> int | None:
        if not text.startswith(self.words[0], start):
            return None
        for ending in ("es", "s", "") if self.extended else ("",):
            stop = start + len(self.words[0]) + len(ending)
            if text.startswith(ending, stop - len(ending)) and not _CONTINUES.match(text, stop):
                return stop
        return None

    def _noun_ends(self, text: str, stop: int) -> bool:
        found = _REST.match(text, stop)
        if found is None:
            return False
        rest = found.group()
        if self.extended and rest.startswith(_VERBAL):
            return True
        return _only_particles(self.words[-1], rest)


def _after(text: str, at: int, words: tuple[str, ...]) -> int | None:
    """Where Korean words end that begin at a place, with or without particles and spaces."""
    if not text.startswith(words[0], at):
        return None
    at += len(words[0])
    if len(words) == 1:
        return at
    for particle in _BETWEEN:
        if text.startswith(particle, at):
            next_at = at + len(particle)
            next_at += text.startswith(" ", next_at)
            stop = _after(text, next_at, words[1:])
            if stop is not None:
                return stop
    return None


def _only_particles(noun: str, rest: str) -> bool:
    """Whether `rest` is nothing, a particle, or two; one syllable takes fewer of them."""
    if not rest:
        return True
    if len(noun) == 1:
        return korean.without_particle(noun + rest) == noun
    return any(
        korean.is_particle(rest[:length], after=noun)
        and (length == len(rest) or korean.is_particle(rest[length:], after=rest[:length]))
        for length in range(1, len(rest) + 1)
    )


_HANGUL: Final = "가-힣"
#: Where a form may begin: at the start of a word; 2차 is not a car.
_WORD: Final = re.compile(r"(?<![^\W_])[^\W_]")
#: Particles that may stand between the words of a Korean form, the space apart.
_BETWEEN: Final = ("", *"을를이가은는도만의에로", "에서", "으로")
#: What follows a Korean noun in its word, if nothing else does.
_REST: Final = re.compile(rf"[{_HANGUL}]*(?![^\W_])")
_VERBAL: Final = tuple("하했해한할합함")
#: The English word goes on.
_CONTINUES: Final = re.compile(r"[^\W_]|'[a-z]*t\b")
_ARTICLE: Final = re.compile("^(?:an?|the) ")
#: Characters before a form in which a negation is looked for.
_NEAR: Final = 40
_NEGATIONS: Final = frozenset(["no", "not", "non", "without", "never", "isn't", "aren't", "nobody"])
_NEGATED_BEFORE: Final = re.compile(r"(?:^|\s)(?:안|못)\s*$")
_NEGATED_AFTER: Final = re.compile(rf"[{_HANGUL}]*\s*(?:않|없|아닌|아니|말고|빼고)")


def _form(tag: VocabularyTag | None, item: str) -> _Form:
    """One form; `tag` None for what names no tag."""
    key, group = (tag.tag, tag.group) if tag else ("", None)
    if not has_hangul(item):
        word = _ARTICLE.sub("", item.casefold()).replace("-", " ")
        return _Form((word,), key, "english", group in ("setting", "light", "object"))
    words = tuple(item.casefold().rstrip("~").split(" "))
    return _Form(
        words, key, "stem" if item.endswith("~") else "noun", group in ("emotion", "action")
    )


def _by_first_letter() -> dict[str, list[_Form]]:
    """Forms by the character they begin with, so that a query tries few of them."""
    known: dict[str, list[_Form]] = {}
    # The words of colour and light are understood where the offline profile understands them.
    rows: list[tuple[VocabularyTag | None, Iterable[str]]] = [
        (each, each.forms) for each in VOCABULARY if each.tag not in COLOUR_TAGS
    ]
    rows.append((None, _items(vocabulary_entries.OTHER)))
    for tag, items in rows:
        for item in items:
            form = _form(tag, item)
            known.setdefault(form.words[0][0], []).append(form)
    return known


_FORMS: Final = _by_first_letter()


def _matches(text: str) -> Iterator[_Match]:
    for place in _WORD.finditer(text):
        for form in _FORMS.get(place.group(), ()):
            match = form.match(text, place.start())
            if match is not None:
                yield match


def _longest(matches: Iterable[_Match]) -> list[_Match]:
    """Without overlaps: the longest first, then the first; what is no tag goes before a tag."""
    kept: list[_Match] = []
    taken: set[int] = set()
    for match in sorted(matches, key=lambda each: (-len(each), each.start, each.tag)):
        if match.start not in taken and match.stop - 1 not in taken:
            kept.append(match)
            taken.update(range(match.start, match.stop))
    return kept


def _colours(text: str, matches: list[_Match]) -> Iterator[tuple[int, str]]:
    """Places and tags of colour and light, which the offline profile understands by itself.

    One may begin where a match does (밤바다 is a sea at night), but not within a match: there is
    nothing cream in an ice cream.
    """
    for match in matches:
        if not match.tag:
            text = text[: match.start] + " " * len(match) + text[match.stop :]
    inside = {place for match in matches for place in range(match.start + 1, match.stop)}
    for word in colour_words.understand(text):
        place = text.find(word.word)
        if word.axis in COLOUR_TAGS and place not in inside:
            yield place, word.axis


def _negated(text: str, match: _Match) -> bool:
    before = text[max(match.start - _NEAR, 0) : match.start]
    return (
        any(word in _NEGATIONS for word in re.findall(r"[a-z']+", before)[-2:])
        or _NEGATED_BEFORE.search(before) is not None
        or _NEGATED_AFTER.match(text, match.stop) is not None
    )
