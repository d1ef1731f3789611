"""Signed policy documents: Google's vectors pass, tampered and expired ones do not."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from local.storage.policies import verify_policy
from local.storage.problems import StorageProblem
from tests.unit.local.storage import vectors

ALL = vectors.load("postPolicyV4Tests")
needs_vectors = pytest.mark.skipif(not ALL, reason="Google's vectors are not here")


def run(vector: dict[str, Any], *, later_s: float = 0, **changes: str) -> list[object]:
    """Verify a vector at the moment it expires, or later, with some fields changed."""
    at = vectors.moment(vector["policyInput"]["timestamp"])
    at += timedelta(seconds=vector["policyInput"]["expiration"] + later_s)
    fields = {**vector["policyOutput"]["fields"], **changes}
    return verify_policy(fields, now=at, public_key_for=vectors.public_key_for)


@pytest.mark.parametrize("vector", ALL, ids=lambda v: v["description"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    """Every policy that Google publishes is accepted until it expires."""
    expected = json.loads(vector["policyOutput"]["expectedDecodedPolicy"])["conditions"]
    assert run(vector) == expected


@needs_vectors
def test_expired() -> None:
    """After its expiration a policy is refused."""
    with pytest.raises(StorageProblem, match="ExpiredToken"):
        run(ALL[0], later_s=1)


@needs_vectors
def test_tampered() -> None:
    """A policy with another condition does not have the signature."""
    policy = json.loads(base64.b64decode(ALL[0]["policyOutput"]["fields"]["policy"]))
    policy["expiration"] = "2030-01-01T00:00:00Z"
    changed = base64.b64encode(json.dumps(policy).encode()).decode()
    with pytest.raises(StorageProblem, match="AccessDenied"):
        run(ALL[0], policy=changed)


@needs_vectors
def test_unknown_signer() -> None:
    """A policy by someone without a key here is refused."""
    credential = ALL[0]["policyOutput"]["fields"]["x-goog-credential"]
    with pytest.raises(StorageProblem, match="AccessDenied"):
        run(ALL[0], **{"x-goog-credential": "x" + credential})


def test_missing_fields() -> None:
    """A form without signing fields is malformed."""
    with pytest.raises(StorageProblem, match="MalformedSecurityHeader"):
        verify_policy({}, now=vectors.moment("2026-01-01T00:00:00Z"), public_key_for=lambda _: None)
