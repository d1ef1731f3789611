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
        found: dict[float, str] = {
            m.start: m.tag for m in matches if m.tag and not _negated(plain, m)
        }
        for match in matches:
            if not match.tag:
                plain = plain[: match.start] + " " * len(match) + plain[match.stop :]
        for word in colour_words.understand(plain):
            place = plain.find(word.word)
            # 밤바다 is a sea at night, but there is nothing cream in an ice cream.
            if word.axis in COLOUR_TAGS and not any(m.start < place < m.stop for m in matches):
                found.setdefault(place + 0.5, word.axis)
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
    """A compiled form, and which tag it names."""

    pattern: re.Pattern[str]
    tag: str
    #: Korean, and not a stem: only particles may follow.
    noun: bool
    #: Korean noun that becomes a verb by 하다 (산책하는).
    verbal: bool

    def match(self, text: str, start: int) -> _Match | None:
        found = self.pattern.match(text, start)
        if found is None or (self.noun and not self._ends(found.group(), found.group("rest"))):
            return None
        stop = found.start("rest") if self.noun else found.end()
        return _Match(start, stop, self.tag)

    def _ends(self, whole: str, rest: str) -> bool:
        noun = whole.removesuffix(rest) if rest else whole
        if self.verbal and re.match("[하했해한할합함]", rest):
            return True
        return _only_particles(noun.split()[-1], rest)


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
#: What may stand between the words of a Korean form.
_BETWEEN: Final = "(?:을|를|이|가|은|는|도|만|의|에|에서|으로|로)? ?"
_ARTICLE: Final = re.compile("^(?:an?|the) ")
_NEGATIONS: Final = frozenset(["no", "not", "non", "without", "never", "isn't", "aren't", "nobody"])
_NEGATED_BEFORE: Final = re.compile(r"(?:^|\s)(?:안|못)\s*$")
_NEGATED_AFTER: Final = re.compile(rf"[{_HANGUL}]*\s*(?:않|없|아닌|아니|말고|빼고)")


def _compiled(tag: VocabularyTag | None, item: str) -> Iterator[_Form]:
    """The pattern of one form; `tag` None for what names no tag."""
    key = tag.tag if tag else ""
    if not has_hangul(item):
        words = re.escape(_ARTICLE.sub("", item.casefold()).replace("-", " "))
        plural = "(?:s|es)?" if tag and tag.group in ("setting", "light", "object") else ""
        pattern = rf"{words}{plural}(?![^\W_]|'[a-z]*t\b)"
        yield _Form(re.compile(pattern), key, noun=False, verbal=False)
        return
    stem = item.endswith("~")
    body = _BETWEEN.join(map(re.escape, item.casefold().rstrip("~").split(" ")))
    if stem:
        yield _Form(re.compile(body), key, noun=False, verbal=False)
    else:
        verbal = tag is not None and tag.group in ("emotion", "action")
        pattern = rf"{body}(?P<rest>[{_HANGUL}]*)(?![^\W_])"
        yield _Form(re.compile(pattern), key, noun=True, verbal=verbal)


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
            first = item[0] if has_hangul(item) else _ARTICLE.sub("", item.casefold())[0]
            known.setdefault(first, []).extend(_compiled(tag, item))
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
    for match in sorted(matches, key=lambda each: (-len(each), each.start, each.tag)):
        if all(match.stop <= other.start or other.stop <= match.start for other in kept):
            kept.append(match)
    return kept


def _negated(text: str, match: _Match) -> bool:
    before = text[: match.start]
    return (
        any(word in _NEGATIONS for word in re.findall(r"[a-z']+", before)[-2:])
        or _NEGATED_BEFORE.search(before) is not None
        or _NEGATED_AFTER.match(text, match.stop) is not None
    )
