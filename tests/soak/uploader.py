"""Clients: declare an upload, put its bytes, try again until they are stored."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Final
from urllib.parse import quote
from uuid import UUID, uuid4

import requests

from common.database import Database
from common.errors import NotFoundError, TransientError
from common.videos import catalog
from common.videos.records import DeclaredObject
from common.videos.uploads import announce, video_name
from tests.schedules.stages import POISON
from tests.tiny_pipeline import UPLOADS

#: One of so many is no video.
POISON_EVERY: Final = 50
_SIZE_BYTES: Final = 100
_PAUSE_S: Final = 0.2


class Uploader:
    """Uploads one after the other.

    Args:
        db: as `heimdex_api`.
        storage_url: of Cloud Storage.
        users: whose the uploads are.
        over: set when nobody waits for an upload any more.
    """

    def __init__(
        self, db: Database, storage_url: str, users: list[UUID], over: threading.Event
    ) -> None:
        self._over = over
        self._db = db
        self._url = f"{storage_url}/upload/storage/v1/b/{UPLOADS}/o?uploadType=media&name="
        self._users = users
        self._session = requests.Session()
        # The stand-in is on this machine, whatever proxy leads out of it.
        self._session.trust_env = False
        self._random = random.Random(0)

    def upload(self, number: int) -> None:
        """Declare and put the upload of this number; returns when it is stored."""
        user_id, video_id = self._random.choice(self._users), uuid4()
        name = video_name(user_id, video_id, "mp4")
        self._until(lambda: self._declare(user_id, video_id, name))
        start = POISON if number % POISON_EVERY == 0 else b"upload"
        content = (start + f" {number}".encode()).ljust(_SIZE_BYTES, b".")
        self._until(lambda: self._put(name, content))

    def _until(self, act: Callable[[], bool]) -> None:
        while not act() and not self._over.wait(_PAUSE_S):
            pass

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _declare(self, user_id: UUID, video_id: UUID, name: str) -> bool:
        declared = DeclaredObject(
            ordinal=0,
            kind="video",
            language=None,
            object_name=name,
            content_type="video/mp4",
            size_bytes=_SIZE_BYTES,
            crc32c=None,
        )
        try:
            if self._is_declared(user_id, video_id):
                return True
            with self._db.tenant(user_id, effect="upload.announce") as tx:
                announce(
                    tx,
                    user_id,
                    video_id,
                    title="v",
                    objects=[declared],
                    expires_in_s=3_600,
                    reserved_ms=0,
                )
        except TransientError:
            # Perhaps it was committed all the same.
            return False
        return True

    def _is_declared(self, user_id: UUID, video_id: UUID) -> bool:
        try:
            with self._db.tenant(user_id) as tx:
                catalog.find(tx, user_id, video_id)
        except NotFoundError:
            return False
        return True

    def _put(self, name: str, content: bytes) -> bool:
        """The first write alone counts, so that putting it again after a lost answer is safe."""
        url = f"{self._url}{quote(name, safe='')}&ifGenerationMatch=0"
        headers = {"content-type": "video/mp4", "authorization": "Bearer client"}
        try:
            answer = self._session.post(url, data=content, headers=headers, timeout=30)
        except requests.RequestException:
            return False
        if answer.status_code >= 500:
            return False
        if answer.status_code != 412:
            answer.raise_for_status()
        return True
