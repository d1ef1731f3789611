"""OAuth access tokens: who may call IAM and the admin side of Identity Toolkit."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from local.identity.files import write_private

#: Default and greatest lifetime.
LIFETIME_S: Final = 3600
#: How Google's access tokens begin.
_PREFIX = "ya29."


class AccessTokens:
    """Self-contained tokens, authenticated by a secret that survives restarts.

    Args:
        secret_file: made at first use, readable by the owner only.
        clock: seconds since the epoch.
    """

    def __init__(self, secret_file: Path, *, clock: Callable[[], float]) -> None:
        if not secret_file.exists():
            write_private(secret_file, secrets.token_bytes(32))
        self._secret = secret_file.read_bytes()
        self._clock = clock

    def issue(self, email: str, *, lifetime_s: int = LIFETIME_S) -> str:
        """A token for the service account `email`."""
        claims = {
            "email": email,
            "exp": int(self._clock()) + lifetime_s,
            "id": secrets.token_hex(8),
        }
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{_PREFIX}{payload}.{self._mac(payload)}"

    def email_of(self, token: str) -> str | None:
        """The service account of a valid token; None for any other string."""
        if not token.isascii():
            return None
        payload, _, mac = token.removeprefix(_PREFIX).rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(payload).encode()):
            return None
        claims = json.loads(base64.urlsafe_b64decode(payload))
        return str(claims["email"]) if claims["exp"] > self._clock() else None

    def _mac(self, payload: str) -> str:
        return hmac.new(self._secret, payload.encode(), hashlib.sha256).hexdigest()
