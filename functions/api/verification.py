"""Uploads of people whose address nobody has verified."""

from __future__ import annotations

from common.config import Settings
from common.errors import InputError
from common.web.routes import Principal


def require_verified(settings: Settings, principal: Principal) -> None:
    """Refuse an upload, if addresses are to be verified and this one is not.

    The token says so: whoever has just followed the link signs in again, or refreshes the token.

    Raises:
        InputError: `email_unverified`.
    """
    if settings.feature_email_verification and not principal.email_verified:
        raise InputError("email_unverified", f"user {principal.user_id}")
