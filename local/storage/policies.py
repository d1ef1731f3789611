"""Signed policy documents of HTML form uploads (POST), verified with the V4 signer's key."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from local.storage.problems import StorageProblem, access_denied, invalid
from local.storage.signatures import PublicKeyFor, parse_scope, signature_matches

_FIELDS = ("algorithm", "credential", "date", "signature")


def verify_policy(
    fields: Mapping[str, str], *, now: datetime, public_key_for: PublicKeyFor
) -> list[object]:
    """Check the signature and the expiry of a policy document and return its conditions.

    Args:
        fields: the form's fields, among them `policy` and `x-goog-signature`.
        now: aware.
        public_key_for: the signer's key, or None for an unknown signer.

    Raises:
        StorageProblem: 400 for a malformed or expired policy, 403 for a wrong signature.
    """
    parameters = {short: fields.get(f"x-goog-{short}", "") for short in _FIELDS}
    scope = parse_scope(parameters)
    policy = fields.get("policy", "")
    key = public_key_for(scope.email)
    if key is None or not signature_matches(key, scope.signature, policy.encode()):
        raise access_denied("Access denied.", details="The policy's signature does not match.")
    expires_at, conditions = _decode(policy)
    if now > expires_at:
        message = "Invalid policy document: the policy has expired."
        raise StorageProblem(400, "ExpiredToken", message)
    return conditions


def _decode(policy: str) -> tuple[datetime, list[object]]:
    try:
        document = json.loads(base64.b64decode(policy, validate=True))
        text = document["expiration"]
        expires_at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        conditions = list(document["conditions"])
    except (binascii.Error, ValueError, TypeError, KeyError) as error:
        raise invalid("Invalid policy document.", code="InvalidPolicyDocument") from error
    return expires_at, conditions
