"""One Firebase project: its accounts, their sessions and the mail to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from local.identity.accounts import Accounts
from local.identity.keys import KeyRing
from local.identity.mail import Outbox
from local.identity.sessions import Sessions
from local.identity.state import State


@dataclass(frozen=True, kw_only=True)
class Project:
    """What the REST calls work on."""

    project_id: str
    accounts: Accounts
    sessions: Sessions
    outbox: Outbox
    #: Seconds since the epoch.
    clock: Callable[[], float]

    @classmethod
    def open(
        cls, state: State, *, project_id: str, keys: KeyRing, clock: Callable[[], float]
    ) -> Project:
        """The project that `state` keeps."""
        accounts = Accounts(state)
        return cls(
            project_id=project_id,
            accounts=accounts,
            sessions=Sessions(
                state=state, accounts=accounts, keys=keys, project=project_id, clock=clock
            ),
            outbox=Outbox(state=state, project=project_id, clock=clock),
            clock=clock,
        )
