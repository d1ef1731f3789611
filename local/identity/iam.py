"""Service accounts: access tokens for key files, signing and impersonation.

Reference: https://cloud.google.com/iam/docs/reference/credentials/rest
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jwt

from local.identity import hosts
from local.identity.access_tokens import LIFETIME_S, AccessTokens
from local.identity.files import write_private
from local.identity.keys import KeyRing, SigningKey
from local.identity.routes import Route
from local.identity.wire import ApiError, Call

_TOKEN_URI: Final = f"https://{hosts.OAUTH}/token"
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ACCOUNT_PATH: Final = "/v1/projects/-/serviceAccounts/(?P<email>[^/:]+)"
#: The account whose key file stands for application default credentials.
_LOCAL_ACCOUNT: Final = "heimdex-local"


class ServiceAccounts:
    """Any `name@{project}.iam.gserviceaccount.com` exists; its key is made at first use.

    Args:
        root: directory for the key file of application default credentials.
        keys: keys by the account's email.
        tokens: access tokens.
        clock: seconds since the epoch.
        project: Google Cloud project id.
    """

    def __init__(
        self,
        root: Path,
        *,
        keys: KeyRing,
        tokens: AccessTokens,
        clock: Callable[[], float],
        project: str,
    ) -> None:
        self._root = root
        self._keys = keys
        self._tokens = tokens
        self._clock = clock
        self._project = project
        self._domain = f"{project}.iam.gserviceaccount.com"
        self._email = re.compile(rf"[a-z][a-z0-9-]{{0,62}}@{re.escape(self._domain)}")

    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        iam = hosts.IAM_CREDENTIALS
        token = Route(method="POST", host=hosts.OAUTH, path="/token", handler=self.exchange)
        sign = Route(
            method="POST",
            host=iam,
            path=f"{_ACCOUNT_PATH}:signBlob",
            handler=self.sign_blob,
            access="oauth",
        )
        impersonate = Route(
            method="POST",
            host=iam,
            path=f"{_ACCOUNT_PATH}:generateAccessToken",
            handler=self.generate_access_token,
            access="oauth",
        )
        locations = Route(
            method="GET",
            host=iam,
            path=f"{_ACCOUNT_PATH}/allowedLocations",
            handler=self.allowed_locations,
            access="oauth",
        )
        return (token, sign, impersonate, locations)

    def key_file(self) -> Path:
        """A service-account file for GOOGLE_APPLICATION_CREDENTIALS, made at the first call."""
        path = self._root / "application-default-credentials.json"
        if not path.exists():
            email = f"{_LOCAL_ACCOUNT}@{self._domain}"
            key = self._keys.make(email)
            document = {
                "type": "service_account",
                "project_id": self._project,
                "private_key_id": key.key_id,
                "private_key": key.private_pem,
                "client_email": email,
                "client_id": str(int(key.key_id, 16))[:21],
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": _TOKEN_URI,
                "universe_domain": "googleapis.com",
            }
            write_private(path, json.dumps(document, indent=2).encode())
        return path

    async def exchange(self, call: Call) -> Mapping[str, Any]:
        """An access token for an assertion signed with a service account's key (RFC 7523)."""
        if call.text("grant_type") != _JWT_BEARER:
            raise ApiError.oauth("unsupported_grant_type", "Invalid grant_type")
        email = self._asserted(call.text("assertion"))
        return {
            "access_token": self._tokens.issue(email),
            "expires_in": LIFETIME_S,
            "token_type": "Bearer",
        }

    async def sign_blob(self, call: Call) -> Mapping[str, Any]:
        """RSA-SHA256 over the payload with the account's key."""
        key = self._key(call.path["email"])
        try:
            payload = base64.b64decode(call.text("payload"), validate=True)
        except binascii.Error as error:
            message = "Invalid value at 'payload' (TYPE_BYTES)"
            raise ApiError.google(400, "INVALID_ARGUMENT", message) from error
        signature = base64.b64encode(key.sign(payload)).decode()
        return {"keyId": key.key_id, "signedBlob": signature}

    async def generate_access_token(self, call: Call) -> Mapping[str, Any]:
        """An access token as another service account."""
        self._key(call.path["email"])
        lifetime = re.fullmatch(r"(\d{1,5})s", call.text("lifetime") or f"{LIFETIME_S}s")
        if not call.texts("scope") or not lifetime or not 0 < int(lifetime[1]) <= LIFETIME_S:
            message = "A scope and a lifetime of at most 3600s are required."
            raise ApiError.google(400, "INVALID_ARGUMENT", message)
        lifetime_s = int(lifetime[1])
        expires = datetime.datetime.fromtimestamp(int(self._clock()) + lifetime_s, datetime.UTC)
        return {
            "accessToken": self._tokens.issue(call.path["email"], lifetime_s=lifetime_s),
            "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    async def allowed_locations(self, call: Call) -> Mapping[str, Any]:
        """No regional access boundary; google-auth asks in the background."""
        self._key(call.path["email"])
        return {"locations": [], "encodedLocations": "0x0"}

    def _key(self, email: str) -> SigningKey:
        if not self._email.fullmatch(email):
            message = "Unknown service account"
            raise ApiError.google(404, "NOT_FOUND", message)
        return self._keys.make(email)

    def _asserted(self, assertion: str) -> str:
        try:
            issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
            key = self._keys.find(issuer) if isinstance(issuer, str) else None
            if key is None:
                raise ApiError.oauth("invalid_grant", "Invalid grant: account not found")
            claims = jwt.decode(
                assertion,
                key.private_key.public_key(),
                algorithms=["RS256"],
                audience=_TOKEN_URI,
                # Times are checked below, on the injected clock.
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise ApiError.oauth("invalid_grant", "Invalid JWT Signature.") from error
        if not claims["iat"] - LIFETIME_S < self._clock() < claims["exp"]:
            raise ApiError.oauth("invalid_grant", "Invalid JWT: it must be a short-lived token")
        return str(claims["iss"])
