"""Buckets and live objects: look up, commit, list, delete."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter

from local.storage.content import Content
from local.storage.model import Preconditions, StoredObject, UploadPlan
from local.storage.problems import StorageProblem, no_such_bucket, no_such_object
from local.storage.state import State

_RECORD = TypeAdapter(StoredObject)


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket; created_at is aware, UTC."""

    name: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page of a bucket, in the order of the names' UTF-8 bytes."""

    objects: tuple[StoredObject, ...]
    #: Common prefixes up to the delimiter.
    prefixes: tuple[str, ...]
    #: The next page starts after this name or prefix; "" on the last page.
    after: str


class Objects:
    """The live objects.

    Args:
        state: where they are kept.
        clock: aware time; dates objects and seeds generations.
    """

    def __init__(self, state: State, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._clock = clock

    # --- buckets ------------------------------------------------------------------------------

    def add_bucket(self, name: str) -> Bucket:
        """Make a bucket.

        Raises:
            StorageProblem: 409, it exists.
        """
        bucket = Bucket(name=name, created_at=self._clock().astimezone(UTC))
        try:
            self._state.rows.execute(
                "INSERT INTO buckets VALUES (?, ?)", (name, bucket.created_at.isoformat())
            )
        except sqlite3.IntegrityError:
            message = "Your previous request to create the named bucket succeeded and you own it."
            raise StorageProblem(
                409, "BucketAlreadyOwnedByYou", message, reason="conflict"
            ) from None
        return bucket

    def buckets(self) -> list[Bucket]:
        """All buckets by name."""
        rows = self._state.rows.execute("SELECT name, created_at FROM buckets ORDER BY name")
        return [Bucket(name=n, created_at=datetime.fromisoformat(at)) for n, at in rows]

    def bucket(self, name: str) -> Bucket:
        """One bucket.

        Raises:
            StorageProblem: 404.
        """
        query = "SELECT created_at FROM buckets WHERE name = ?"
        row = self._state.rows.execute(query, (name,)).fetchone()
        if row is None:
            raise no_such_bucket(name)
        return Bucket(name=name, created_at=datetime.fromisoformat(row[0]))

    # --- objects ------------------------------------------------------------------------------

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """The live object, if any.

        Raises:
            StorageProblem: 404, the bucket does not exist.
        """
        self.bucket(bucket)
        query = "SELECT record FROM objects WHERE bucket = ? AND name = ?"
        row = self._state.rows.execute(query, (bucket, name)).fetchone()
        return _RECORD.validate_json(row[0]) if row else None

    def get(
        self,
        bucket: str,
        name: str,
        *,
        generation: int | None = None,
        conditions: Preconditions | None = None,
    ) -> StoredObject:
        """The live object, which must be of `generation` if given.

        Raises:
            StorageProblem: 404, 412 or 304.
        """
        found = self.find(bucket, name)
        if found is None or generation not in (None, found.generation):
            raise no_such_object(bucket, name)
        (conditions or Preconditions()).check(found)
        return found

    def put(self, plan: UploadPlan, content: Content) -> StoredObject:
        """Make `content` the live object; call within a transaction.

        Raises:
            StorageProblem: 404 for the bucket, 412 for a precondition of the plan.
        """
        plan.preconditions.check(self.find(plan.bucket, plan.name))
        now = self._clock().astimezone(UTC)
        stored = StoredObject(
            bucket=plan.bucket,
            name=plan.name,
            generation=self._state.next_generation(int(now.timestamp() * 1_000_000)),
            metageneration=1,
            size_bytes=content.size_bytes,
            crc32c=content.crc32c,
            md5=content.md5,
            created_at=now,
            attributes=plan.attributes,
            file=content.path.name,
        )
        self._state.rows.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
            (plan.bucket, plan.name, stored.file, _RECORD.dump_json(stored).decode()),
        )
        return stored

    def delete(
        self, bucket: str, name: str, *, generation: int | None, conditions: Preconditions
    ) -> None:
        """Delete the live object; readers that have it open finish undisturbed.

        Raises:
            StorageProblem: 404 or 412.
        """
        found = self.get(bucket, name, generation=generation, conditions=conditions)
        query = "DELETE FROM objects WHERE bucket = ? AND name = ?"
        self._state.rows.execute(query, (bucket, name))
        self._state.content(found.file).unlink(missing_ok=True)

    def page(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        start: str = "",
        after: str = "",
        limit: int,
    ) -> Listing:
        """One page of at most `limit` objects and common prefixes.

        Args:
            bucket: where to look.
            prefix: what names begin with.
            delimiter: ends a common prefix; "" for none.
            start: the first name that counts.
            after: the last name or prefix of the page before.
            limit: ≥ 1.

        Raises:
            StorageProblem: 404, the bucket does not exist.
        """
        self.bucket(bucket)
        objects: list[StoredObject] = []
        prefixes: list[str] = []
        last = after
        for stored in self._matching(bucket, prefix, max(start, prefix), after):
            group = _group(stored.name, prefix, delimiter)
            if group and group in (last, *prefixes[-1:]):
                continue
            if len(objects) + len(prefixes) == limit:
                return Listing(objects=tuple(objects), prefixes=tuple(prefixes), after=last)
            if group:
                prefixes.append(group)
            else:
                objects.append(stored)
            last = group or stored.name
        return Listing(objects=tuple(objects), prefixes=tuple(prefixes), after="")

    def _matching(self, bucket: str, prefix: str, first: str, after: str) -> Iterator[StoredObject]:
        rows = self._state.rows.execute(
            "SELECT record FROM objects WHERE bucket = ? AND name > ? AND name >= ? "
            "AND substr(name, 1, length(?)) = ? ORDER BY name",
            (bucket, after, first, prefix, prefix),
        )
        for (record,) in rows:
            yield _RECORD.validate_json(record)


def _group(name: str, prefix: str, delimiter: str) -> str:
    """The common prefix that stands for `name`, or "" if it is listed itself."""
    end = name.find(delimiter, len(prefix)) if delimiter else -1
    return name[: end + len(delimiter)] if end >= 0 else ""
