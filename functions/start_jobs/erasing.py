"""Carries out what deletions owe: objects, the Firebase account, and at last the rows.

Every step may be repeated. Objects go at once, and again until nobody can write more; an account's
Firebase user goes when everything else that can go at once is gone, so that what fails before is
tried again with the account still known.
"""

from __future__ import annotations

from typing import Final

from common import log
from common.errors import ConfigError
from common.ledger.erasures import Erasure, Erasures
from common.ledger.rows import TenantRow
from common.ports import Accounts, Objects

_UPLOADS: Final = ("videos", "subtitles", "faces")
_ARTIFACTS: Final = ("artifacts", "sidecars")
#: As a receipt counts it.
_ACCOUNT: Final = "firebase_accounts"


class Eraser:
    """Erases one video or account after the other.

    Args:
        erasures: what is owed.
        store: all objects.
        uploads: bucket of uploads.
        artifacts: bucket of everything that is made of them.
        accounts: of Firebase; None where there are none to delete.
    """

    def __init__(
        self,
        erasures: Erasures,
        store: Objects,
        *,
        uploads: str,
        artifacts: str,
        accounts: Accounts | None,
    ) -> None:
        self._erasures = erasures
        self._store = store
        self._uploads = uploads
        self._artifacts = artifacts
        self._accounts = accounts

    def erase(self, row: TenantRow) -> bool:
        """Take an erasure as far as it can go now; returns whether that was to its end.

        Raises:
            TransientError: Cloud Storage, Firebase or the database did not answer.
            ConfigError: there is an account to delete and nobody to do it.
        """
        erasure = self._erasures.read(row)
        if erasure is None:
            return False
        late = erasure.video_id is None and self._erasures.gather(erasure)
        removed = self._delete_objects(erasure)
        if removed:
            self._erasures.note(erasure, {"objects": removed})
        if erasure.video_id is None and not erasure.removed.get(_ACCOUNT):
            self._delete_account(erasure)
        ends = erasure.settled and not late
        if ends:
            self._erasures.finish(erasure)
        log.event("erasure.finished" if ends else "erasure.begun", erasure_id=erasure.id)
        return ends

    def _delete_objects(self, erasure: Erasure) -> int:
        owner, video = erasure.user_id, erasure.video_id
        if video is None:
            prefixes = [(self._uploads, f"{kind}/{owner}/") for kind in _UPLOADS]
            made = (*_ARTIFACTS, "exports")
            prefixes += [(self._artifacts, f"{kind}/{owner}/") for kind in made]
        else:
            prefixes = [
                (self._uploads, f"videos/{owner}/{video}."),
                (self._uploads, f"subtitles/{owner}/{video}/"),
                *((self._artifacts, f"{kind}/{owner}/{video}/") for kind in _ARTIFACTS),
            ]
        return sum(
            self._store.delete_prefix(bucket, prefix, effect="erasure.delete")
            for bucket, prefix in prefixes
        )

    def _delete_account(self, erasure: Erasure) -> None:
        if self._accounts is None:
            raise ConfigError("no Firebase to delete accounts of")
        self._accounts.delete(erasure.firebase_uid, effect="account.delete")
        self._erasures.note(erasure, {_ACCOUNT: 1})
