"""Words as the lexical index keeps them: one normal form, stems, and 2-grams for Korean and CJK.

Documents and queries go through the same functions, so what is stored can be found: NFD from a
Mac, full-width letters from a slide, capitals and inflection make no difference. Korean
agglutinates and Chinese has no spaces, so runs of Hangul, Han and Kana become overlapping 2-grams;
a Korean word that is one syllable without its particle (밤에, 차가) also gives that syllable.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from common.korean import is_particle, without_ending, without_particle
from common.stemming import stem

Script = Literal["hangul", "han", "other"]

#: A longer "word" is noise from a text recogniser; the index must not hold it in full.
MAX_TERM_CHARS: Final = 64

_HANGUL = r"\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb"
_HAN = (
    r"\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
)
_TOKEN = re.compile(
    rf"(?P<hangul>[{_HANGUL}]+)|(?P<han>[{_HAN}]+)"
    rf"|(?P<other>(?:(?![{_HANGUL}{_HAN}])[^\W_])+(?:'(?:(?![{_HANGUL}{_HAN}])[^\W_])+)*)"
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc`\u00b4", "'"))


@dataclass(frozen=True, kw_only=True)
class Token:
    """A run of one script in normalised text."""

    #: As it stands in the normalised text.
    text: str
    script: Script
    #: Position of its first character in the normalised text.
    start: int
    #: A Korean particle that follows a word of another script without a space (KTX`가`).
    is_particle: bool


def normalise(text: str) -> str:
    """One form for all spellings of a text: NFKC, case-folded, single spaces; idempotent."""
    # An apostrophe such as U+00B4 decomposes under NFKC, so it is replaced first.
    plain = _INVISIBLE.sub("", text.translate(_APOSTROPHES))
    folded = unicodedata.normalize("NFKC", plain).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).translate(_APOSTROPHES).split())


def tokens(text: str) -> list[Token]:
    """The words of a text in order.

    Args:
        text: any text; it is normalised here.
    """
    found: list[Token] = []
    end, before = -1, ""
    for match in _TOKEN.finditer(normalise(text)):
        script: Script = _script(match)
        attached = script == "hangul" and match.start() == end and bool(before)
        found.append(
            Token(
                text=match[0],
                script=script,
                start=match.start(),
                is_particle=attached and is_particle(match[0], after=before),
            )
        )
        end, before = match.end(), match[0]
    return found


def terms(text: str) -> list[str]:
    """What the index stores for a text, in order, with repeats (their count is the frequency)."""
    return [term for token in tokens(text) for term in document_terms(token)]


def document_terms(token: Token) -> list[str]:
    """The index terms of one word of a transcript or of on-screen text; none for a particle."""
    if token.is_particle:
        return []
    if token.script == "other":
        return [_word_term(token.text)]
    grams = _bigrams(token.text)
    noun = without_particle(token.text) if token.script == "hangul" else token.text
    return [*grams, noun] if len(noun) == 1 < len(token.text) else grams


def query_terms(token: Token) -> list[str]:
    """The distinct terms that a word of a query asks for: a Korean word without its ending."""
    if token.is_particle:
        return []
    if token.script == "other":
        return [_word_term(token.text)]
    root = _root(token.text) if token.script == "hangul" else token.text
    return list(dict.fromkeys(_bigrams(root)))


def phrase_terms(phrase: str) -> list[str]:
    """Distinct terms that every text holding the phrase literally has, also inside longer words."""
    found: list[str] = []
    single: list[str] = []
    for token in tokens(phrase):
        if token.script == "other":
            found.append(_word_term(token.text))
        elif len(token.text) > 1:
            found += _bigrams(token.text)
        elif not token.is_particle:
            # One syllable may be an end of a longer word, which has no such term.
            single.append(token.text)
    return list(dict.fromkeys(found or single))


def _root(word: str) -> str:
    root = without_ending(word)
    return root if root != word else without_particle(word)


def _script(match: re.Match[str]) -> Script:
    if match["hangul"]:
        return "hangul"
    return "han" if match["han"] else "other"


def _word_term(word: str) -> str:
    plain = word.removesuffix("'s").replace("'", "")
    return stem(plain)[:MAX_TERM_CHARS]


def _bigrams(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    return [run[i : i + 2] for i in range(len(run) - 1)]
