"""V4 signed URLs: Google's vectors pass, and nothing that differs does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from google.cloud.storage._signing import generate_signed_url_v4
from hypothesis import assume, given
from hypothesis import strategies as st

from local.storage.problems import StorageProblem
from local.storage.signatures import MAX_EXPIRES_S, SignedRequest, is_signed, verify_url
from tests.unit.local.storage import vectors

EMAIL = "signer@heimdex-test.iam.gserviceaccount.com"
SIGNED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HEADERS = {"content-type": "video/mp4", "x-goog-if-generation-match": "0"}

#: Wrong as published: its canonical request has the bucket in the path, unlike what is signed.
KNOWN_BAD_VECTOR = "Universe domain with virtual hosted style"


@cache
def key() -> rsa.RSAPrivateKey:
    """The signer's key, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Signer:
    """What Google's signing code asks of credentials."""

    signer_email = EMAIL

    def sign_bytes(self, data: bytes) -> bytes:
        return key().sign(data, PKCS1v15(), SHA256())


def public_key_for(email: str) -> rsa.RSAPublicKey | None:
    """The key of the one signer there is."""
    return key().public_key() if email == EMAIL else None


def sign(
    *,
    name: str = "a b/ü.mp4",
    endpoint: str = "http://127.0.0.1:9001",
    expires_s: int = 600,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> SignedRequest:
    """A PUT signed by Google's own code, as it arrives."""
    headers = HEADERS if headers is None else headers
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("google.cloud.storage._signing.ensure_signed_credentials", lambda _: None)
        url = generate_signed_url_v4(
            Signer(),
            resource=f"/uploads/{quote(name, safe='/~')}",
            expiration=timedelta(seconds=expires_s),
            api_access_endpoint=endpoint,
            method="PUT",
            headers=dict(headers),
            _request_timestamp=SIGNED_AT.strftime("%Y%m%dT%H%M%SZ"),
            **options,
        )
    return as_request("PUT", url, headers)


def as_request(method: str, url: str, headers: dict[str, str]) -> SignedRequest:
    """A request for the URL, as it arrives."""
    parts = urlsplit(url)
    return SignedRequest(
        method=method,
        path=parts.path,
        query=parts.query,
        headers=(("Host", parts.netloc), *headers.items()),
    )


def verify(
    request: SignedRequest,
    *,
    at: datetime = SIGNED_AT,
    keys: Callable[[str], rsa.RSAPublicKey | None] = public_key_for,
) -> str:
    """The signer of an acceptable request."""
    return verify_url(request, now=at, public_key_for=keys)


def refusal(request: SignedRequest, *, at: datetime = SIGNED_AT) -> tuple[int, str]:
    """Status and code with which the request is refused."""
    with pytest.raises(StorageProblem) as caught:
        verify(request, at=at)
    return caught.value.status, caught.value.code


def with_query(request: SignedRequest, old: str, new: str) -> SignedRequest:
    """The request with a part of its query replaced."""
    assert old in request.query
    return replace(request, query=request.query.replace(old, new))


SIGNING_VECTORS = pytest.mark.parametrize(
    "vector",
    [pytest.param(v, id=v["description"]) for v in vectors.load("signingV4Tests")]
    or [pytest.param(None, marks=pytest.mark.skip(reason="Google's vectors are not here"))],
)


@SIGNING_VECTORS
def test_published_urls(vector: dict[str, Any]) -> None:
    """Every signed URL that Google publishes is accepted until it expires."""
    request = as_request(vector["method"], vector["expectedUrl"], vector.get("headers", {}))
    at = vectors.moment(vector["timestamp"]) + timedelta(seconds=vector["expiration"])
    assert verify_url(request, now=at, public_key_for=vectors.public_key_for) == vectors.EMAIL
    with pytest.raises(StorageProblem, match="ExpiredToken"):
        verify_url(request, now=at + timedelta(seconds=1), public_key_for=vectors.public_key_for)


@SIGNING_VECTORS
def test_published_canonical_requests(vector: dict[str, Any]) -> None:
    """What is signed is, byte for byte, what Google publishes, but for the one known bad."""
    url = re.sub(r"^(\w+://[^/:]+):\d+/", r"\1/", vector["expectedUrl"])  # host as it is signed
    request = as_request(vector["method"], url, vector.get("headers", {}))
    with pytest.raises(StorageProblem) as caught:
        verify(request, at=vectors.moment(vector["timestamp"]), keys=lambda _: None)
    details = caught.value.details
    assert details["StringToSign"] == vector["expectedStringToSign"]
    is_right = details["CanonicalRequest"] == vector["expectedCanonicalRequest"]
    assert is_right == (vector["description"] != KNOWN_BAD_VECTOR)


def test_number_of_published_vectors() -> None:
    """No vector is lost on the way: there are 29 signing and 11 policy vectors."""
    if not vectors.DIRECTORY.exists():
        pytest.skip("Google's vectors are not here")
    assert len(vectors.load("signingV4Tests")) == 29
    assert len(vectors.load("postPolicyV4Tests")) == 11


def test_accepts_what_the_client_library_signs() -> None:
    """A URL from Google's Python code names its signer when it comes back unchanged."""
    assert verify(sign()) == EMAIL


@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    values=st.lists(st.tuples(st.text("aZ-_.~ /%+ü"), st.text("aZ &=+%/ü-")), max_size=4),
)
def test_any_name_and_parameter_survive(name: str, values: list[tuple[str, str]]) -> None:
    """Whatever the object is called and whatever else is in the query, the signature holds."""
    # A digit in front, because Google's Python code sorts `name=value` where its specification
    # sorts names: that differs when one name is the start of another.
    extra = {f"{number}{key}": value for number, (key, value) in enumerate(values)}
    assert verify(sign(name=name, query_parameters=extra)) == EMAIL


@given(data=st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    """Changing one character of the path or the query anywhere breaks the signature."""
    request = sign()
    text = f"{request.path}?{request.query}"
    position = data.draw(st.integers(1, len(text) - 1))
    other = data.draw(st.sampled_from("abcXYZ019-_.~%/&=;+"))
    changed = text[:position] + other + text[position + 1 :]
    path, _, query = changed.partition("?")
    mutant = replace(request, path=path, query=query)
    same_path = unquote(path) == unquote(request.path)
    same_query = sorted(parse_qsl(query, keep_blank_values=True)) == sorted(
        parse_qsl(request.query, keep_blank_values=True)
    )
    assume(not (same_path and same_query))
    assert refusal(mutant)[0] in (400, 403)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "put"])
def test_another_method_is_refused(method: str) -> None:
    """A URL for PUT is good for nothing else."""
    assert refusal(replace(sign(), method=method)) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("header", ["host", "content-type", "x-goog-if-generation-match"])
def test_a_changed_signed_header_is_refused(header: str) -> None:
    """Every signed header must have exactly the signed value."""
    request = sign()
    headers = tuple((n, "1" if n.lower() == header else v) for n, v in request.headers)
    assert refusal(replace(request, headers=headers)) == (403, "SignatureDoesNotMatch")


def test_a_missing_signed_header_is_named() -> None:
    """Leaving out a signed header is refused with its name, as Cloud Storage does."""
    request = sign()
    headers = tuple(pair for pair in request.headers if pair[0] != "content-type")
    with pytest.raises(StorageProblem) as caught:
        verify(replace(request, headers=headers))
    assert caught.value.code == "MalformedSecurityHeader"
    assert caught.value.details["ParameterName"] == "content-type"


def test_an_unsigned_goog_header_is_refused() -> None:
    """What changes the meaning of the request cannot be added to it afterwards."""
    request = sign(headers={})
    widened = replace(request, headers=(*request.headers, ("X-Goog-Content-Length-Range", "0,9")))
    assert refusal(widened) == (400, "MalformedSecurityHeader")


def test_other_unsigned_headers_are_ignored() -> None:
    """Headers that browsers add by themselves do not matter."""
    request = sign()
    assert verify(replace(request, headers=(*request.headers, ("User-Agent", "curl")))) == EMAIL


def test_white_space_and_case_of_headers_do_not_matter() -> None:
    """Header names are compared without case, values without extra white space."""
    request = sign()
    headers = tuple((n.upper(), f"  {v}\t ") for n, v in request.headers)
    assert verify(replace(request, headers=headers)) == EMAIL


def test_an_extra_parameter_is_refused() -> None:
    """The whole query is signed, so nothing can be added to it."""
    request = sign()
    more = replace(request, query=request.query + "&response-content-type=text%2Fhtml")
    assert refusal(more) == (403, "SignatureDoesNotMatch")


def test_a_repeated_signing_parameter_is_refused() -> None:
    """Two values for one signing parameter are never interpreted."""
    request = sign()
    twice = replace(request, query=request.query + "&x-goog-expires=604800")
    assert refusal(twice) == (400, "MalformedSecurityHeader")


@pytest.mark.parametrize("after_s", [0, 599, 600])
def test_valid_until_the_last_second(after_s: int) -> None:
    """The URL works up to and including its last second."""
    assert verify(sign(expires_s=600), at=SIGNED_AT + timedelta(seconds=after_s)) == EMAIL


def test_expired() -> None:
    """One moment after its last second the URL is refused as expired."""
    at = SIGNED_AT + timedelta(seconds=600, microseconds=1)
    assert refusal(sign(expires_s=600), at=at) == (400, "ExpiredToken")


def test_dated_in_the_future() -> None:
    """A clock that runs 15 minutes ahead is tolerated, more is not."""
    assert verify(sign(), at=SIGNED_AT - timedelta(minutes=15)) == EMAIL
    early = SIGNED_AT - timedelta(minutes=15, seconds=1)
    assert refusal(sign(), at=early) == (403, "RequestTimeTooSkewed")


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "1e3", "", "9999999", "%D9%A3"])
def test_expiry_out_of_bounds(expires: str) -> None:
    """Only 1 to 604,800 seconds are an expiry, however well it is signed."""
    request = with_query(sign(), "X-Goog-Expires=600", f"X-Goog-Expires={expires}")
    assert refusal(request) == (400, "MalformedSecurityHeader")


def test_longest_expiry() -> None:
    """Seven days are accepted."""
    at = SIGNED_AT + timedelta(days=7)
    assert verify(sign(expires_s=MAX_EXPIRES_S), at=at) == EMAIL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256"),
        ("GOOG4-RSA-SHA256", "none"),
        ("%2F20260304%2F", "%2F20260305%2F"),
        ("%2Fstorage%2F", "%2Fs3%2F"),
        ("goog4_request", "aws4_request"),
        ("20260304T050607Z", "20260304050607"),
        ("content-type%3Bhost", "host%3Bcontent-type"),
        ("content-type%3Bhost%3B", "content-type%3B"),
        ("X-Goog-Credential", "X-Goog-Cr"),
        ("X-Goog-SignedHeaders", "X-Goog-Signed"),
    ],
)
def test_malformed_parameters(old: str, new: str) -> None:
    """Each signing parameter is checked before the signature is looked at."""
    assert refusal(with_query(sign(), old, new)) == (400, "MalformedSecurityHeader")


@pytest.mark.parametrize("signature", ["", "xyz", "abc", "AB", "00 11"])
def test_signature_that_is_not_hex(signature: str) -> None:
    """Only lower-case hex is a signature."""
    request = sign()
    query = request.query.split("&X-Goog-Signature=")[0] + f"&X-Goog-Signature={signature}"
    assert refusal(replace(request, query=query)) == (400, "MalformedSecurityHeader")


def test_unknown_signer() -> None:
    """A signature by someone without a key here is as good as none."""
    with pytest.raises(StorageProblem, match="SignatureDoesNotMatch"):
        verify(sign(), keys=lambda _: None)


def test_another_key() -> None:
    """The signature must be the named signer's own."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    with pytest.raises(StorageProblem, match="SignatureDoesNotMatch"):
        verify(sign(), keys=lambda _: other)


def test_host_may_be_signed_without_its_port() -> None:
    """Google's vectors sign the host alone where its Python client signs host and port."""
    request = sign(headers={**HEADERS, "Host": "127.0.0.1"})
    with_port = replace(
        request, headers=tuple(p for p in request.headers if p != ("Host", "127.0.0.1"))
    )
    assert verify(with_port) == EMAIL


def test_recognises_signed_queries() -> None:
    """A query counts as signed as soon as one of the main parameters is there, in any case."""
    assert is_signed(sign().query)
    assert is_signed("x-goog-signature=")
    assert not is_signed("prefix=x-goog-signature&X-Goog-Meta-Foo=1")
