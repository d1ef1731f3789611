"""Storing an upload: early refusal, streaming to disk, one commit with its event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from local.storage.content import Content, PartialContent
from local.storage.events import Events
from local.storage.model import StoredObject, UploadPlan
from local.storage.objects import Objects
from local.storage.problems import too_large
from local.storage.state import State


class UploadCut(Exception):
    """The connection was lost before the body was complete."""


class Uploads:
    """Turns plans and bodies into objects.

    Args:
        state: where contents are written.
        objects: where they become live.
        events: told about each in the same transaction.
    """

    def __init__(self, state: State, objects: Objects, events: Events) -> None:
        self._state = state
        self._objects = objects
        self._events = events

    def refuse_early(self, plan: UploadPlan, size_bytes: int | None) -> None:
        """Check all that can be known before the first byte.

        Args:
            plan: what the upload promises.
            size_bytes: announced total size, if any.

        Raises:
            StorageProblem: 400 for the size, 404 for the bucket, 412 for a precondition.
        """
        if size_bytes is not None:
            plan.check_size(size_bytes)
        plan.preconditions.check(self._objects.find(plan.bucket, plan.name))

    async def store(
        self, plan: UploadPlan, body: AsyncIterator[bytes], size_bytes: int | None
    ) -> StoredObject:
        """Store an object that comes in one request.

        Raises:
            StorageProblem: it breaks its plan; nothing is kept.
            UploadCut: the client went away; nothing is kept.
        """
        self.refuse_early(plan, size_bytes)
        partial = PartialContent(self._state.new_content())
        try:
            async for data in body:
                if plan.max_bytes is not None and partial.size_bytes + len(data) > plan.max_bytes:
                    raise too_large()
                partial.write(data)
            return self.commit(plan, partial.finish())
        except BaseException:
            partial.discard()
            raise

    def commit(
        self,
        plan: UploadPlan,
        content: Content,
        also: Callable[[StoredObject], None] | None = None,
    ) -> StoredObject:
        """Make a complete content the live object and record its event, both or none.

        Args:
            plan: checked once more; the store may have changed during the upload.
            content: complete.
            also: runs in the same transaction.

        Raises:
            StorageProblem: it breaks its plan.
        """
        plan.check_size(content.size_bytes)
        plan.checksums.check(crc32c=content.crc32c, md5=content.md5)
        with self._state.transaction():
            replaced = self._objects.find(plan.bucket, plan.name)
            stored = self._objects.put(plan, content)
            event = self._events.record(stored)
            if also is not None:
                also(stored)
        if replaced is not None:
            self._state.content(replaced.file).unlink(missing_ok=True)
        self._events.announce(event)
        return stored
