"""What functions and workers ask of Google's services; `storage`, `bus` and `jobs` provide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from common.domain import Lane

if TYPE_CHECKING:
    # Whoever names a port need not load, or even ship, the library behind it.
    from common.bus import Received
    from common.storage import ObjectInfo


class Objects(Protocol):
    """Cloud Storage, as `common.storage.ObjectStore` has it."""

    def stat(self, bucket: str, name: str) -> ObjectInfo | None:
        """What is stored under the name now; None if nothing is."""

    def read(
        self,
        bucket: str,
        name: str,
        *,
        generation: int | None = None,
        first_bytes: int | None = None,
    ) -> bytes:
        """The content; raises NotFoundError."""

    def download(
        self, bucket: str, name: str, path: Path, *, generation: int | None = None
    ) -> None:
        """The content into a file; raises NotFoundError."""

    def write(
        self,
        bucket: str,
        name: str,
        data: bytes,
        *,
        content_type: str,
        effect: str,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Store the content, whole or not at all."""

    def delete(self, bucket: str, name: str, *, effect: str) -> None:
        """Make sure that nothing is stored under the name."""

    def delete_prefix(self, bucket: str, prefix: str, *, effect: str) -> int:
        """Delete everything below a prefix; returns how many objects."""


class Archives(Protocol):
    """Cloud Storage for large files, as `common.storage.ObjectStore` has it."""

    def upload(
        self, bucket: str, name: str, path: Path, *, content_type: str, effect: str
    ) -> ObjectInfo:
        """Store the content of a file unless something is under the name."""

    def delete(self, bucket: str, name: str, *, effect: str) -> None:
        """Make sure that nothing is stored under the name."""

    def delete_prefix(self, bucket: str, prefix: str, *, effect: str) -> int:
        """Delete everything below a prefix; returns how many objects."""


class Listing(Protocol):
    """Cloud Storage's listing, as `common.storage.ObjectStore` has it."""

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose names start with the prefix."""


class Accounts(Protocol):
    """Firebase's accounts, as `common.web.firebase.FirebaseAccounts` has them."""

    def delete(self, firebase_uid: str, *, effect: str) -> None:
        """Make sure that there is no such account."""


class Publisher(Protocol):
    """The sending half of Pub/Sub, as `common.bus.Bus` has it."""

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str], *, effect: str
    ) -> str:
        """Send one message and return its id once Pub/Sub has it."""


class Messages(Publisher, Protocol):
    """Pub/Sub, as `common.bus.Bus` has it."""

    def pull(self, subscription: str, *, wait_s: float) -> Received | None:
        """Lease one message, or None when none came in time."""

    def ack(self, subscription: str, received: Received, *, effect: str) -> None:
        """Tell Pub/Sub that the message needs no more delivery."""


class Jobs(Protocol):
    """Cloud Run Jobs, as `common.jobs.JobRunner` has it."""

    def run(self, lane: Lane, *, effect: str) -> None:
        """Start an execution of the lane's job."""
