"""Google's published conformance vectors for V4 signatures, where they are available."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

DIRECTORY = Path(__file__).parents[4].parent / "shared" / "data" / "gcs-conformance"

EMAIL = "test-iam-credentials@dummy-project-id.iam.gserviceaccount.com"


def load(kind: str) -> list[dict[str, Any]]:
    """The vectors under `kind`, or none."""
    path = DIRECTORY / "v4_signatures.json"
    vectors: list[dict[str, Any]] = json.loads(path.read_text())[kind] if path.exists() else []
    return vectors


def public_key_for(email: str) -> RSAPublicKey | None:
    """The key that signed the vectors."""
    if email != EMAIL:
        return None
    key = load_pem_public_key((DIRECTORY / "test_service_account.public.pem").read_bytes())
    assert isinstance(key, RSAPublicKey)
    return key


def moment(text: str) -> datetime:
    """A vector's timestamp."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
