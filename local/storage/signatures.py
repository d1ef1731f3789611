"""V4 signed URLs (GOOG4-RSA-SHA256), verified as Cloud Storage does.

The canonical request is rebuilt from the request as it came over the wire, so that a change in the
method, the path, any query parameter, a signed header or the signer makes the signature fail.
Source of the format: "V4 signing process" and "Canonical requests" in Google's documentation; the
published conformance vectors are part of the tests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from local.storage.problems import StorageProblem

ALGORITHM = "GOOG4-RSA-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

#: Longest validity, 7 days; the limit of Cloud Storage.
MAX_EXPIRES_S = 604_800
#: A URL may be dated this far ahead of our clock; the limit of Cloud Storage.
MAX_SKEW = timedelta(minutes=15)

_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_REQUIRED = ("algorithm", "credential", "date", "expires", "signedheaders", "signature")

PublicKeyFor = Callable[[str], RSAPublicKey | None]


@dataclass(frozen=True, kw_only=True)
class SignedRequest:
    """What of a request takes part in its signature."""

    method: str
    #: Percent-encoded, as on the wire.
    path: str
    #: Percent-encoded, as on the wire, without the question mark.
    query: str
    #: Names in any case; repeated names are joined by commas.
    headers: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The parsed `X-Goog-*` parameters of a signed URL or policy."""

    email: str
    scope: str
    signed_at: datetime
    timestamp: str
    signature: bytes


def is_signed(query: str) -> bool:
    """Whether a query string claims to carry a V4 signature."""
    names = {name.lower() for name, _ in _pairs(query)}
    return bool(names & {"x-goog-signature", "x-goog-algorithm", "x-goog-credential"})


def verify_url(request: SignedRequest, *, now: datetime, public_key_for: PublicKeyFor) -> str:
    """Check a signed URL and return the signer's email address.

    Args:
        request: the request as received.
        now: aware.
        public_key_for: the signer's key, or None for an unknown signer.

    Raises:
        StorageProblem: 400 for a malformed or expired signature, 403 for a wrong one.
    """
    parameters = _signing_parameters(request.query)
    scope = parse_scope(parameters)
    _check_time(scope, parameters["expires"], now)
    headers = _normalised(request.headers)
    signed = parameters["signedheaders"].split(";")
    _check_headers(signed, headers)
    key = public_key_for(scope.email)
    candidates = [_canonical(request, signed, headers, host) for host in _hosts(headers["host"])]
    for canonical in candidates:
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((ALGORITHM, scope.timestamp, scope.scope, digest))
        if key is not None and signature_matches(key, scope.signature, text.encode()):
            return scope.email
    raise _mismatch(candidates[0], scope)


def signature_matches(key: RSAPublicKey, signature: bytes, data: bytes) -> bool:
    """Whether `signature` is the key's RSASSA-PKCS1-v1_5 SHA-256 signature of `data`."""
    try:
        key.verify(signature, data, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def parse_scope(parameters: Mapping[str, str]) -> Scope:
    """Read algorithm, credential, date and signature.

    Args:
        parameters: by name without `x-goog-`, in lower case.

    Raises:
        StorageProblem: 400, naming the malformed one.
    """
    if parameters["algorithm"] != ALGORITHM:
        raise _malformed("algorithm", f"Only {ALGORITHM} is supported.")
    signature = parameters["signature"]
    if not re.fullmatch(r"(?:[0-9a-f]{2})+", signature):
        raise _malformed("signature", "Signature was not hex encoded.")
    timestamp = parameters["date"]
    try:
        signed_at = datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _malformed("x-goog-date", "The date is not in ISO 8601 basic format.") from None
    email, _, scope = parameters["credential"].partition("/")
    if not re.fullmatch(re.escape(timestamp[:8]) + r"/[a-z0-9-]+/storage/goog4_request", scope):
        raise _malformed("x-goog-credential", "The credential scope is malformed.")
    return Scope(
        email=email,
        scope=scope,
        signed_at=signed_at,
        timestamp=timestamp,
        signature=bytes.fromhex(signature),
    )


def _signing_parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _pairs(query):
        prefix, _, short = name.lower().partition("x-goog-")
        if prefix or short not in _REQUIRED:
            continue
        if short in found:
            raise _malformed(name, "The parameter is given twice.")
        found[short] = value
    for short in _REQUIRED:
        if short not in found:
            raise _malformed(f"x-goog-{short}", "The parameter is missing.")
    return found


def _check_time(scope: Scope, expires: str, now: datetime) -> None:
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= MAX_EXPIRES_S:
        raise _malformed("x-goog-expires", f"Must be between 1 and {MAX_EXPIRES_S}.")
    if scope.signed_at - now > MAX_SKEW:
        message = "The difference between the request time and the server's time is too large."
        raise StorageProblem(403, "RequestTimeTooSkewed", message, reason="forbidden")
    expired_at = scope.signed_at + timedelta(seconds=int(expires))
    if now > expired_at:
        details = {"Details": f"Request signature expired at: {expired_at.isoformat()}"}
        message = "The provided token has expired."
        raise StorageProblem(400, "ExpiredToken", message, details=details)


def _check_headers(signed: Sequence[str], headers: Mapping[str, str]) -> None:
    """Every signed header must be there, and what changes the meaning must be signed."""
    if "host" not in signed or list(signed) != sorted(set(signed)):
        raise _malformed("x-goog-signedheaders", "Must be sorted and contain host.")
    for name in signed:
        if name not in headers:
            raise _malformed(name, "Header was included in signedheaders, but not in the request.")
    for name in headers:
        if name.startswith("x-goog-") and name not in signed:
            raise _malformed(name, "Header was not included in signedheaders.")


def _canonical(
    request: SignedRequest, signed: Sequence[str], headers: Mapping[str, str], host: str
) -> str:
    values = {**headers, "host": host}
    return "\n".join(
        (
            request.method,
            quote(unquote(request.path), safe="/~"),
            _canonical_query(request.query),
            *(f"{name}:{values[name]}" for name in signed),
            "",
            ";".join(signed),
            headers.get("x-goog-content-sha256", UNSIGNED_PAYLOAD),
        )
    )


def _canonical_query(query: str) -> str:
    encoded = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in _pairs(query)
        if name.lower() != "x-goog-signature"
    )
    return "&".join(f"{name}={value}" for name, value in encoded)


def _pairs(query: str) -> list[tuple[str, str]]:
    """Decoded names and values; a plus sign is itself, as in the signing specification."""
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in parts]


def _normalised(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Lower-case names, trimmed values with runs of white space collapsed."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(" ".join(value.split()))
    if "host" not in found:
        raise _malformed("host", "The request has no Host header.")
    return {name: ",".join(values) for name, values in found.items()}


def _hosts(host: str) -> list[str]:
    """The Host header, and the same without its port.

    Google's vectors sign the bare host of `http://localhost:8080`; its Python client signs host
    and port.
    """
    bare = re.sub(r":[0-9]+$", "", host)
    return [host] if bare == host else [host, bare]


def _malformed(parameter: str, details: str) -> StorageProblem:
    more = {"ParameterName": parameter, "Details": details}
    message = "Your request has a malformed header."
    return StorageProblem(400, "MalformedSecurityHeader", message, details=more)


def _mismatch(canonical: str, scope: Scope) -> StorageProblem:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((ALGORITHM, scope.timestamp, scope.scope, digest))
    message = (
        "Access denied. The request signature we calculated does not match the signature you "
        "provided. Check your Google secret key and signing method."
    )
    more = {"StringToSign": text, "CanonicalRequest": canonical}
    return StorageProblem(403, "SignatureDoesNotMatch", message, reason="forbidden", details=more)
