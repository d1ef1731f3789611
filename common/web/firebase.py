"""Firebase tokens as the way in, for the mains of HTTP functions."""

from __future__ import annotations

from common.database import Database
from common.web import auth
from common.web.routes import Authenticate, Principal, RequestHeaders


def authenticator(database: Database) -> Authenticate:
    """Verify tokens with Firebase; the tenant's row is there afterwards."""

    def authenticate(headers: RequestHeaders, *, check_revoked: bool) -> Principal:
        identity = auth.authenticate(headers, check_revoked=check_revoked)
        return auth.principal(database, identity)

    return authenticate
