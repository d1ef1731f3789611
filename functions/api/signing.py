"""The signer of URLs, connected when it is first needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from common.config import Settings
from functions.api.services import SignedUpload

if TYPE_CHECKING:
    from common.storage import ObjectStore


class LazySigner:
    """Connects to Cloud Storage at the first signature: most requests need none.

    Args:
        settings: endpoint and signing accounts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._store: ObjectStore | None = None

    def sign_upload(
        self,
        bucket: str,
        name: str,
        *,
        content_type: str,
        size_bytes: int,
        resumable: bool,
        expires_in_s: int,
        crc32c: str | None,
    ) -> SignedUpload:
        """See `ObjectStore.sign_upload`."""
        return self._connected().sign_upload(
            bucket,
            name,
            content_type=content_type,
            size_bytes=size_bytes,
            resumable=resumable,
            expires_in_s=expires_in_s,
            crc32c=crc32c,
        )

    def sign_download(self, bucket: str, name: str, *, content_type: str, expires_in_s: int) -> str:
        """See `ObjectStore.sign_download`."""
        return self._connected().sign_download(
            bucket, name, content_type=content_type, expires_in_s=expires_in_s
        )

    def _connected(self) -> ObjectStore:
        # Imported here: the library takes longer to load than most requests to answer.
        from common.storage import ObjectStore

        with self._lock:
            if self._store is None:
                self._store = ObjectStore.connect(self._settings)
            return self._store
