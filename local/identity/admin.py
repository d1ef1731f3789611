"""Identity Toolkit as firebase-admin calls it, with a service account's access token.

Reference: https://cloud.google.com/identity-platform/docs/reference/rest/v1/projects.accounts
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from local.identity import hosts
from local.identity.accounts import Account
from local.identity.mail import Mail
from local.identity.passwords import hash_password
from local.identity.project import Project
from local.identity.records import kind, user_record
from local.identity.routes import Route
from local.identity.toolkit import checked_password, new_account, with_profile
from local.identity.wire import ApiError, Call


class Admin:
    """Calls on any account of the project."""

    def __init__(self, project: Project) -> None:
        self._project_id = project.project_id
        self._accounts = project.accounts
        self._sessions = project.sessions
        self._outbox = project.outbox
        self._clock = project.clock

    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        calls = {
            "": self.create,
            ":lookup": self.lookup,
            ":update": self.update,
            ":delete": self.delete,
        }
        toolkit = tuple(
            Route(
                method="POST",
                host=hosts.IDENTITY_TOOLKIT,
                path=rf"/v1/projects/{self._project_id}/accounts{name}",
                handler=handler,
                access="oauth",
            )
            for name, handler in calls.items()
        )
        # The path under which Firebase's own emulator lists what it would have mailed.
        outbox = Route(
            method="GET",
            host="emulator",
            path=rf"/v1/projects/{self._project_id}/oobCodes",
            handler=self.list_mail,
        )
        return (*toolkit, outbox)

    async def create(self, call: Call) -> Mapping[str, Any]:
        """A new account, under a given id if there is one."""
        account = new_account(None, self._clock())
        if uid := call.text("localId"):
            if self._accounts.find(uid):
                raise ApiError.toolkit("DUPLICATE_LOCAL_ID")
            account = replace(account, uid=uid)
        account = await self._changed(account, call)
        self._accounts.save(account)
        return kind("SignupNewUserResponse") | {"localId": account.uid}

    async def lookup(self, call: Call) -> Mapping[str, Any]:
        """Accounts by ids and emails; unknown ones are left out."""
        found = [self._accounts.find(uid) for uid in call.texts("localId")]
        found += [self._accounts.find_by_email(email) for email in call.texts("email")]
        users = [user_record(account) for account in found if account]
        return kind("GetAccountInfoResponse") | ({"users": users} if users else {})

    async def update(self, call: Call) -> Mapping[str, Any]:
        """Change anything of an account; `validSince` ends its sessions."""
        account = await self._changed(self._existing(call), call)
        self._accounts.save(account)
        if (since_s := call.number("validSince")) is not None:
            self._sessions.revoke(account, since_s=since_s)
        return kind("SetAccountInfoResponse") | {"localId": account.uid}

    async def delete(self, call: Call) -> Mapping[str, Any]:
        """Delete an account."""
        self._accounts.delete(self._existing(call).uid)
        return kind("DeleteAccountResponse")

    async def list_mail(self, call: Call) -> Mapping[str, Any]:
        """What was mailed and not used yet, oldest first."""
        return {"oobCodes": [_shown(mail) for mail in self._outbox.unread()]}

    def _existing(self, call: Call) -> Account:
        account = self._accounts.find(call.text("localId"))
        if account is None:
            raise ApiError.toolkit("USER_NOT_FOUND")
        return account

    async def _changed(self, account: Account, call: Call) -> Account:
        account = with_profile(account, call)
        if password := call.text("password"):
            checked_password(password)
            account = replace(
                account,
                password_hash=await asyncio.to_thread(hash_password, password),
                password_changed_at_ms=int(self._clock() * 1000),
            )
        verified, disabled = call.flag("emailVerified"), call.flag("disableUser")
        if disabled is None:
            disabled = call.flag("disabled")
        return replace(
            account,
            email_verified=account.email_verified if verified is None else verified,
            disabled=account.disabled if disabled is None else disabled,
            custom_claims=call.text("customAttributes") or account.custom_claims,
        )


def _shown(mail: Mail) -> Mapping[str, str]:
    return {
        "email": mail.email,
        "requestType": mail.request_type,
        "oobCode": mail.code,
        "oobLink": mail.link,
    }
