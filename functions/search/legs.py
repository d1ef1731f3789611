"""Which legs take part in a search, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from common.lexical import tokens
from functions.search.encoding import EncodedQuery
from functions.search.model import LEGS, MODE_LEGS, TEXT_LEGS, Leg, ParsedQuery, QueryWord, Request

#: `switched_off`: by the operator. `not_in_mode`: the mode leaves it out. `weight_zero`: so it is.
#: `nothing_to_ask`: only names, phrases or stop words are left for it. `language_unknown`: the
#: text model does not know the query's language. `no_word_understood`: the model knows no word of
#: the query. `no_word_occurs`: no word of the query is said or shown in any video. `not_in_index`:
#: the index holds no learned weights, as its text model gives none. `nobody_named`.
Abstention = Literal[
    "switched_off",
    "not_in_mode",
    "weight_zero",
    "nothing_to_ask",
    "language_unknown",
    "no_word_understood",
    "no_word_occurs",
    "not_in_index",
    "nobody_named",
]


#: Legs that go by meaning: switched off, only words are left, and people.
SEMANTIC_LEGS: Final[frozenset[Leg]] = frozenset({"dense", "sparse", "vision", "tags"})


def switched_off(*, semantic: bool, vision: bool) -> frozenset[Leg]:
    """The legs that take no part in any search.

    Args:
        semantic: search goes by meaning.
        vision: pictures are searched by what is in them.
    """
    legs: frozenset[Leg] = frozenset() if semantic else SEMANTIC_LEGS
    return legs if vision else legs | {"vision"}


def abstentions(
    request: Request,
    query: ParsedQuery,
    encoded: EncodedQuery,
    *,
    terms_occur: bool,
    off: frozenset[Leg] = frozenset(),
) -> dict[Leg, Abstention]:
    """The legs that know nothing of this query, each with its reason.

    Args:
        request: mode and weights.
        query: parsed.
        encoded: what the models made of it.
        terms_occur: whether any term of the query is in the tenant's index.
        off: the legs that are switched off.
    """
    found: dict[Leg, Abstention] = {}
    for leg in LEGS:
        if leg in off:
            found[leg] = "switched_off"
            continue
        reason = _by_request(request, leg) or _by_knowledge(leg, query, encoded, terms_occur)
        if reason:
            found[leg] = reason
    return found


def named_in(words: Iterable[QueryWord], spoken: Iterable[str]) -> frozenset[QueryWord]:
    """The query's words that a model named as understood.

    Args:
        words: of the query.
        spoken: as the model names them: a word as typed, or several ("sky blue").
    """
    known = {token.text for each in spoken for token in tokens(each)}
    return frozenset(word for word in words if word.text in known)


def _by_request(request: Request, leg: Leg) -> Abstention | None:
    weights = request.weights
    if leg not in MODE_LEGS[request.mode]:
        return "not_in_mode"
    by_leg: Mapping[Leg, float] = {
        **dict.fromkeys(TEXT_LEGS, weights.text),
        "vision": weights.vision,
        "tags": weights.tags,
        "people": weights.person,
    }
    return None if by_leg[leg] else "weight_zero"


def _by_knowledge(
    leg: Leg, query: ParsedQuery, encoded: EncodedQuery, terms_occur: bool
) -> Abstention | None:
    if leg == "people":
        return None if query.people else "nobody_named"
    if leg in ("lexical", "screen"):
        if not query.words:
            return "nothing_to_ask"
        return None if terms_occur else "no_word_occurs"
    if not query.semantic:
        return "nothing_to_ask"
    if leg == "dense":
        return None if encoded.text_vector else "language_unknown"
    if leg == "sparse":
        return None if encoded.sparse else "not_in_index"
    knows = encoded.frame_vector if leg == "vision" else encoded.tags
    return None if knows else "no_word_understood"
