"""Accounts as Identity Toolkit's documents show them."""

from __future__ import annotations

from typing import Any

from local.identity.accounts import Account


def kind(name: str) -> dict[str, Any]:
    """The `kind` member that every answer starts with."""
    return {"kind": f"identitytoolkit#{name}"}


def user_record(account: Account) -> dict[str, Any]:
    """The `UserInfo` document: int64 values as strings, absent values left out."""
    record: dict[str, Any] = {
        "localId": account.uid,
        "validSince": str(account.valid_since_s),
        "createdAt": str(account.created_at_ms),
        "lastLoginAt": str(account.last_sign_in_at_ms),
        "disabled": account.disabled,
    }
    if account.email:
        record |= {"email": account.email, "emailVerified": account.email_verified}
        record["providerUserInfo"] = [_email_provider(account)]
    if account.password_hash:
        record["passwordUpdatedAt"] = account.password_changed_at_ms
    optional = {
        "displayName": account.display_name,
        "photoUrl": account.photo_url,
        "customAttributes": account.custom_claims,
    }
    return record | {name: value for name, value in optional.items() if value}


def _email_provider(account: Account) -> dict[str, Any]:
    return {
        "providerId": "password",
        "email": account.email,
        "federatedId": account.email,
        "rawId": account.email,
    }
