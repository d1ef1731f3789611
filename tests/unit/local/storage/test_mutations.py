"""A signed request with any one thing changed is refused: thousands of changes, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

import pytest

from local.storage.problems import StorageProblem
from local.storage.signatures import SignedRequest
from tests.unit.local.storage.test_signatures import HEADERS, sign, verify

#: Put in the place of a character, and between characters.
_OTHER = "A0%"
_METHODS = ("GET", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "put", "PUT ", "")
#: What Cloud Storage calls a signature that is wrong, malformed, over, or of the future.
_REFUSALS = {
    (403, "SignatureDoesNotMatch"),
    (400, "MalformedSecurityHeader"),
    (400, "ExpiredToken"),
    (403, "RequestTimeTooSkewed"),
}

Mutant = tuple[str, SignedRequest]


def _texts(text: str) -> Iterator[str]:
    """The text with one character replaced, left out, put in, or two exchanged."""
    for place in range(len(text)):
        before, here, after = text[:place], text[place], text[place + 1 :]
        yield before + after
        for other in _OTHER:
            yield before + other + after
            yield before + other + here + after
        if after:
            yield before + after[0] + here + after[1:]


def _of_path(request: SignedRequest) -> Iterator[Mutant]:
    for path in _texts(request.path):
        yield "path", replace(request, path=path)


def _of_query(request: SignedRequest) -> Iterator[Mutant]:
    for query in _texts(request.query):
        yield "query", replace(request, query=query)
    yield "query", replace(request, query=request.query + "&userProject=another")
    for part in request.query.split("&"):
        rest = [each for each in request.query.split("&") if each != part]
        yield "query", replace(request, query="&".join(rest))
        yield "query", replace(request, query="&".join((*rest, part, part)))


def _of_headers(request: SignedRequest) -> Iterator[Mutant]:
    for name, value in request.headers:
        others = tuple(pair for pair in request.headers if pair[0] != name)
        yield "header", replace(request, headers=others)
        yield "header", replace(request, headers=(*request.headers, (name, value)))
        for changed in _texts(value):
            yield "header", replace(request, headers=(*others, (name, changed)))
    yield "header", replace(request, headers=(*request.headers, ("x-goog-acl", "public-read")))


def _of_method(request: SignedRequest) -> Iterator[Mutant]:
    for method in _METHODS:
        yield "method", replace(request, method=method)


def _meaning(request: SignedRequest) -> tuple[object, ...]:
    """What a request asks for, however it is written."""
    pairs = (part.partition("=") for part in request.query.split("&") if part)
    return (
        request.method,
        unquote(request.path),
        sorted((_name(unquote(name)), unquote(value)) for name, _, value in pairs),
        sorted((name.lower(), " ".join(value.split())) for name, value in request.headers),
    )


def _name(name: str) -> str:
    """The signature's own parameter is not signed, and known in any case."""
    return name.lower() if name.lower() == "x-goog-signature" else name


def _mutants(request: SignedRequest) -> Iterator[Mutant]:
    meaning = _meaning(request)
    for mutants in (_of_path, _of_query, _of_headers, _of_method):
        yield from (each for each in mutants(request) if _meaning(each[1]) != meaning)


def test_no_single_change_passes() -> None:
    """Path, query, signed headers, dates, expiry, method: every change, at every place."""
    request = sign(headers={**HEADERS, "x-goog-content-length-range": "1,1000"})
    counts: Counter[str] = Counter()
    for kind, mutant in _mutants(request):
        with pytest.raises(StorageProblem) as caught:
            verify(mutant)
        assert (caught.value.status, caught.value.code) in _REFUSALS
        counts[kind] += 1
    assert counts.total() >= 5_000
    assert min(counts.values()) >= len(_METHODS)
    assert set(counts) == {"path", "query", "header", "method"}


def test_what_means_the_same_passes() -> None:
    """The changes are refused for their meaning: another spelling of the same is accepted."""
    request = sign(name="a~b.mp4")
    same = (
        replace(request, path=request.path.replace("~", "%7E")),
        replace(request, path=request.path.replace("a", "%61", 1)),
        replace(request, query="&".join(reversed(request.query.split("&")))),
        replace(request, query=request.query.replace("Signature=", "SIGNATURE=")),
        replace(request, headers=tuple(reversed(request.headers))),
    )
    for mutant in same:
        assert mutant != request
        assert verify(mutant) == verify(request)
