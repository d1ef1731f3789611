"""Identity Toolkit and Secure Token as the Firebase SDK in a browser calls them.

Reference: https://cloud.google.com/identity-platform/docs/reference/rest/v1/accounts
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from local.identity import hosts
from local.identity.accounts import Account, new_uid
from local.identity.mail import REQUEST_TYPES
from local.identity.passwords import hash_password, matches
from local.identity.project import Project
from local.identity.records import kind, user_record
from local.identity.routes import Route
from local.identity.sessions import TOKEN_LIFETIME_S, Session
from local.identity.wire import ApiError, Call

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
#: Firebase's own minimum.
_MIN_PASSWORD: Final = 6


class Toolkit:
    """The calls that need no more than an API key."""

    def __init__(self, project: Project) -> None:
        self._project_id = project.project_id
        self._accounts = project.accounts
        self._sessions = project.sessions
        self._outbox = project.outbox
        self._clock = project.clock

    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        calls = {
            "signUp": self.sign_up,
            "signInWithPassword": self.sign_in,
            "signInWithEmailLink": self.sign_in_by_link,
            "lookup": self.lookup,
            "update": self.update,
            "delete": self.delete,
            "sendOobCode": self.send_code,
            "resetPassword": self.reset_password,
        }
        toolkit = tuple(
            Route(
                method="POST",
                host=hosts.IDENTITY_TOOLKIT,
                path=f"/v1/accounts:{name}",
                handler=handler,
                access="key",
            )
            for name, handler in calls.items()
        )
        refresh = Route(
            method="POST",
            host=hosts.SECURE_TOKEN,
            path="/v1/token",
            handler=self.refresh,
            access="key",
        )
        return (*toolkit, refresh)

    async def sign_up(self, call: Call) -> Mapping[str, Any]:
        """A new account with email and password, an anonymous one, or an anonymous one named."""
        email, password, id_token = call.text("email"), call.text("password"), call.text("idToken")
        if not (email or password or id_token):
            return self._signed_up(self._new_account(None), "anonymous")
        account = self._sessions.account_of(id_token) if id_token else self._new_account(None)
        account = replace(account, email=checked_email(email))
        account = await self._with_password(account, password)
        return self._signed_up(account, "password")

    async def sign_in(self, call: Call) -> Mapping[str, Any]:
        """With email and password; a wrong email and a wrong password look the same."""
        email, password = checked_email(call.text("email")), call.text("password")
        if not password:
            raise ApiError.toolkit("MISSING_PASSWORD")
        account = self._accounts.find_by_email(email)
        if account is None or account.password_hash is None:
            raise ApiError.toolkit("INVALID_LOGIN_CREDENTIALS")
        if not await asyncio.to_thread(matches, password, account.password_hash):
            raise ApiError.toolkit("INVALID_LOGIN_CREDENTIALS")
        session = self._sessions.start(account, "password")
        return kind("VerifyPasswordResponse") | _tokens(session) | {"registered": True}

    async def sign_in_by_link(self, call: Call) -> Mapping[str, Any]:
        """With the code of a magic link; the account is made at the first time."""
        email = checked_email(call.text("email"))
        if self._outbox.open(call.text("oobCode"), "EMAIL_SIGNIN", use=False).email != email:
            raise ApiError.toolkit("INVALID_EMAIL")
        self._outbox.open(call.text("oobCode"), "EMAIL_SIGNIN", use=True)
        known = self._accounts.find_by_email(email)
        account = replace(known or self._new_account(email), email_verified=True)
        session = self._sessions.start(account, "password")
        return kind("EmailLinkSigninResponse") | _tokens(session) | {"isNewUser": known is None}

    async def lookup(self, call: Call) -> Mapping[str, Any]:
        """The profile of the ID token's account."""
        account = self._sessions.account_of(_required_token(call))
        return kind("GetAccountInfoResponse") | {"users": [user_record(account)]}

    async def update(self, call: Call) -> Mapping[str, Any]:
        """Change profile, email or password, or confirm the email by a code."""
        if code := call.text("oobCode"):
            mail = self._outbox.open(code, "VERIFY_EMAIL", use=True)
            account = replace(self._of_mail(mail.email), email_verified=True)
            self._accounts.save(account)
            return kind("SetAccountInfoResponse") | user_record(account)
        account = with_profile(self._sessions.account_of(_required_token(call)), call)
        if password := call.text("password"):
            account = self._sessions.revoke(await self._with_password(account, password))
        self._accounts.save(account)
        answer = kind("SetAccountInfoResponse") | user_record(account)
        if call.flag("returnSecureToken"):
            provider = "password" if account.email else "anonymous"
            answer |= _tokens(self._sessions.start(account, provider))
        return answer

    async def delete(self, call: Call) -> Mapping[str, Any]:
        """Delete the ID token's account."""
        self._accounts.delete(self._sessions.account_of(_required_token(call)).uid)
        return kind("DeleteAccountResponse")

    async def send_code(self, call: Call) -> Mapping[str, Any]:
        """Mail a code; whether the address is known stays untold."""
        request_type = call.text("requestType")
        if request_type not in REQUEST_TYPES:
            raise ApiError.toolkit("INVALID_REQ_TYPE")
        if request_type == "VERIFY_EMAIL":
            email = self._sessions.account_of(_required_token(call)).email or ""
        else:
            email = checked_email(call.text("email"))
        if request_type != "PASSWORD_RESET" or self._accounts.find_by_email(email):
            self._outbox.send(request_type, email, continue_url=call.text("continueUrl"))
        return kind("GetOobConfirmationCodeResponse") | {"email": email}

    async def reset_password(self, call: Call) -> Mapping[str, Any]:
        """Look at a code, or spend it on a new password, which ends all sessions."""
        code, password = call.text("oobCode"), call.text("newPassword")
        mail = self._outbox.open(code, *REQUEST_TYPES, use=False)
        if password:
            account = await self._with_password(self._of_mail(mail.email), password)
            self._outbox.open(code, "PASSWORD_RESET", use=True)
            self._sessions.revoke(replace(account, email_verified=True))
        shown = {"email": mail.email, "requestType": mail.request_type}
        return kind("ResetPasswordResponse") | shown

    async def refresh(self, call: Call) -> Mapping[str, Any]:
        """A fresh ID token for a refresh token."""
        if call.text("grant_type") != "refresh_token":
            raise ApiError.toolkit("INVALID_GRANT_TYPE")
        if not call.text("refresh_token"):
            raise ApiError.toolkit("MISSING_REFRESH_TOKEN")
        session = self._sessions.refresh(call.text("refresh_token"))
        return {
            "access_token": session.id_token,
            "expires_in": str(TOKEN_LIFETIME_S),
            "token_type": "Bearer",
            "refresh_token": session.refresh_token,
            "id_token": session.id_token,
            "user_id": session.account.uid,
            "project_id": self._project_id,
        }

    def _new_account(self, email: str | None) -> Account:
        return new_account(email, self._clock())

    def _signed_up(self, account: Account, provider: str) -> dict[str, Any]:
        return kind("SignupNewUserResponse") | _tokens(self._sessions.start(account, provider))

    async def _with_password(self, account: Account, password: str) -> Account:
        checked_password(password)
        return replace(
            account,
            password_hash=await asyncio.to_thread(hash_password, password),
            password_changed_at_ms=int(self._clock() * 1000),
        )

    def _of_mail(self, email: str) -> Account:
        account = self._accounts.find_by_email(email)
        if account is None:
            raise ApiError.toolkit("EMAIL_NOT_FOUND")
        return account


def new_account(email: str | None, now_s: float) -> Account:
    """An account as it starts; not saved yet."""
    now_ms = int(now_s * 1000)
    return Account(
        uid=new_uid(),
        email=email,
        valid_since_s=int(now_s),
        created_at_ms=now_ms,
        last_sign_in_at_ms=now_ms,
    )


def with_profile(account: Account, call: Call) -> Account:
    """The account with the call's name, photo and email."""
    removed = call.texts("deleteAttribute")
    name = call.text("displayName") or account.display_name
    photo = call.text("photoUrl") or account.photo_url
    account = replace(
        account,
        display_name=None if "DISPLAY_NAME" in removed else name,
        photo_url=None if "PHOTO_URL" in removed else photo,
    )
    email = call.text("email")
    if email and checked_email(email) != account.email:
        account = replace(account, email=checked_email(email), email_verified=False)
    return account


def checked_email(email: str) -> str:
    """The address in lower case.

    Raises:
        ApiError: MISSING_EMAIL or INVALID_EMAIL.
    """
    if not email:
        raise ApiError.toolkit("MISSING_EMAIL")
    if not _EMAIL.fullmatch(email):
        raise ApiError.toolkit("INVALID_EMAIL")
    return email.lower()


def checked_password(password: str) -> None:
    """Refuse a password that Firebase would.

    Raises:
        ApiError: MISSING_PASSWORD or WEAK_PASSWORD.
    """
    if not password:
        raise ApiError.toolkit("MISSING_PASSWORD")
    if len(password) < _MIN_PASSWORD:
        reason = f"Password should be at least {_MIN_PASSWORD} characters"
        raise ApiError.toolkit(f"WEAK_PASSWORD : {reason}")


def _required_token(call: Call) -> str:
    if not call.text("idToken"):
        raise ApiError.toolkit("MISSING_ID_TOKEN")
    return call.text("idToken")


def _tokens(session: Session) -> dict[str, Any]:
    account = session.account
    answer = {
        "localId": account.uid,
        "idToken": session.id_token,
        "refreshToken": session.refresh_token,
        "expiresIn": str(TOKEN_LIFETIME_S),
    }
    if account.email:
        answer["email"] = account.email
    if account.display_name:
        answer["displayName"] = account.display_name
    return answer
