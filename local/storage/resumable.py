"""Resumable upload sessions: chunks, cuts, status queries, and a final answer that can be repeated.

Source of the protocol: "Resumable uploads" in Google's Cloud Storage documentation.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import TypeAdapter

from local.storage.content import ALIGNMENT_BYTES, PartialContent
from local.storage.model import Checksums, StoredObject, UploadPlan
from local.storage.problems import StorageProblem, invalid, too_large
from local.storage.state import State
from local.storage.uploads import UploadCut, Uploads

#: A session URI is good for a week, as in Cloud Storage.
SESSION_LIFETIME: Final = timedelta(days=7)

_PLAN = TypeAdapter(UploadPlan)
_RESULT = TypeAdapter(StoredObject)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What a request to a session says it carries."""

    #: Position of the first byte; None for a status query, which carries nothing.
    first: int | None
    #: Number of bytes, if announced.
    length: int | None
    #: Size of the whole upload, if announced.
    total: int | None
    #: Checksums of the whole upload, if sent along.
    checksums: Checksums

    @property
    def is_last(self) -> bool:
        """Whether the upload ends with this chunk."""
        if self.first is None or self.length is None:
            return self.first is not None and self.total is None and self.length is None
        return self.first + self.length == self.total


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The upload is not complete: this many bytes are safe."""

    size_bytes: int


class Session:
    """An open session; one request at a time writes to it, and the newest one wins."""

    def __init__(self, session_id: str, plan: UploadPlan, content: PartialContent) -> None:
        self.session_id = session_id
        self.plan = plan
        self.content = content
        self._writer = object()

    def take_over(self) -> object:
        """Become the only writer, at the last aligned byte; who wrote before writes no more."""
        self.content.roll_back()
        self._writer = object()
        return self._writer

    def is_writer(self, writer: object) -> bool:
        """Whether `writer` came from the latest `take_over`."""
        return writer is self._writer


def parse_chunk(
    content_range: str | None, content_length: int | None, checksums: Checksums
) -> Chunk:
    """Read `Content-Range`; without one the request carries the whole upload.

    Raises:
        StorageProblem: 400, it is malformed or contradicts Content-Length.
    """
    if content_range is None:
        return Chunk(first=0, length=content_length, total=content_length, checksums=checksums)
    match = _CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None:
        raise invalid(f"Failed to parse Content-Range header: {content_range}")
    first, last, size = match.groups()
    total = None if size == "*" else int(size)
    if first is None:
        return Chunk(first=None, length=0, total=total, checksums=checksums)
    length = int(last) - int(first) + 1
    chunk = Chunk(first=int(first), length=length, total=total, checksums=checksums)
    _check_chunk(chunk, int(last), content_length)
    return chunk


def _check_chunk(chunk: Chunk, last: int, content_length: int | None) -> None:
    if content_length not in (None, chunk.length):
        raise invalid("Content-Length does not match Content-Range.")
    if chunk.total is not None and last >= chunk.total:
        raise invalid("Content-Range ends after the end of the upload.")
    if last < (chunk.first or 0):
        raise invalid("Content-Range ends before it starts.")
    if not chunk.is_last and (chunk.length or 0) % ALIGNMENT_BYTES:
        raise invalid(f"Chunks but the last must be multiples of {ALIGNMENT_BYTES} bytes.")


class Sessions:
    """All sessions; rows until they expire, contents on disk.

    Args:
        state: where sessions are kept.
        uploads: where complete ones become objects.
        clock: aware time.
    """

    def __init__(self, state: State, uploads: Uploads, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._uploads = uploads
        self._clock = clock
        self._open: dict[str, Session] = {}
        self._recovering = asyncio.Lock()

    def start(self, plan: UploadPlan) -> str:
        """Open a session and return its id, which is a secret.

        Raises:
            StorageProblem: the plan cannot succeed.
        """
        self._uploads.refuse_early(plan, plan.size_bytes)
        self._forget_expired()
        session_id = uuid.uuid4().hex + uuid.uuid4().hex
        path = self._state.new_content()
        self._state.rows.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, 'open', NULL)",
            (
                session_id,
                path.name,
                (self._clock().astimezone(UTC) + SESSION_LIFETIME).isoformat(),
                _PLAN.dump_json(plan).decode(),
            ),
        )
        self._open[session_id] = Session(session_id, plan, PartialContent(path))
        return session_id

    async def put(
        self, session_id: str, chunk: Chunk, body: AsyncIterator[bytes]
    ) -> Progress | StoredObject:
        """Take a chunk or answer a status query.

        Returns:
            The progress, or the object once the upload is complete (again on every repetition).

        Raises:
            StorageProblem: 404 or 410 for the session, 400 or 412 for the upload.
            UploadCut: the client went away; the aligned part of the chunk is kept.
        """
        session = await self._resume(session_id)
        if isinstance(session, StoredObject):
            return session
        try:
            if chunk.first is not None:
                await self._receive(session, chunk, body)
            elif chunk.total != session.content.safe_bytes:
                return Progress(size_bytes=session.content.safe_bytes)
            else:
                session.take_over()
        finally:
            session.content.close()
        return self._progress(session, chunk)

    def cancel(self, session_id: str) -> None:
        """Give the upload up; nothing is stored."""
        query = "SELECT file FROM sessions WHERE id = ? AND state = 'open'"
        row = self._state.rows.execute(query, (session_id,)).fetchone()
        if row is None:
            raise _unknown()
        self._end(session_id, row[0])

    async def _resume(self, session_id: str) -> Session | StoredObject:
        query = "SELECT file, expires_at, plan, state, result FROM sessions WHERE id = ?"
        row = self._state.rows.execute(query, (session_id,)).fetchone()
        if row is None:
            raise _unknown()
        file, expires_at, plan, state, result = row
        if state == "done":
            return _RESULT.validate_json(result)
        if state == "open" and self._clock() >= datetime.fromisoformat(expires_at):
            self._end(session_id, file)
            state = "gone"
        if state == "gone":
            raise StorageProblem(410, "Gone", "The upload session has ended.", reason="gone")
        async with self._recovering:
            if session_id not in self._open:
                path = self._state.content(file)
                content = await asyncio.to_thread(PartialContent.recover, path)
                self._open[session_id] = Session(session_id, _PLAN.validate_json(plan), content)
        return self._open[session_id]

    async def _receive(self, session: Session, chunk: Chunk, body: AsyncIterator[bytes]) -> None:
        """Append what is new of the chunk."""
        self._check_against_plan(session, chunk)
        writer = session.take_over()
        skip = session.content.size_bytes - (chunk.first or 0)
        if skip < 0:
            raise invalid(
                f"Invalid request. According to the Content-Range header, the upload offset is "
                f"{chunk.first} byte(s), which exceeds already uploaded size of "
                f"{session.content.size_bytes} byte(s)."
            )
        received = 0
        try:
            async for data in body:
                if not session.is_writer(writer):
                    raise UploadCut
                received += len(data)
                self._check_length(session, chunk, received)
                session.content.write(data[skip:])
                skip = max(0, skip - len(data))
            if not session.is_writer(writer) or chunk.length not in (None, received):
                raise UploadCut
        except BaseException:
            if session.is_writer(writer):
                session.content.roll_back()
            raise

    def _check_against_plan(self, session: Session, chunk: Chunk) -> None:
        """Refuse before a byte is stored what cannot end well."""
        plan = session.plan
        checksums = plan.checksums.merged(chunk.checksums)
        if chunk.total is not None:
            plan.check_size(chunk.total)
            plan = replace(plan, size_bytes=chunk.total)
        session.plan = replace(plan, checksums=checksums)

    def _check_length(self, session: Session, chunk: Chunk, received: int) -> None:
        if chunk.length is not None and received > chunk.length:
            raise invalid("The request carries more bytes than it announced.")
        limit = session.plan.max_bytes
        if limit is not None and (chunk.first or 0) + received > limit:
            raise too_large()

    def _progress(self, session: Session, chunk: Chunk) -> Progress | StoredObject:
        """Complete the upload if nothing is missing."""
        size_bytes = session.content.size_bytes
        total = session.plan.size_bytes if chunk.total is None else chunk.total
        if not chunk.is_last and size_bytes != total:
            return Progress(size_bytes=size_bytes)
        del self._open[session.session_id]
        try:
            return self._uploads.commit(
                session.plan,
                session.content.finish(),
                also=lambda stored: self._finish(session.session_id, stored),
            )
        except StorageProblem:
            self._end(session.session_id, session.content.path.name)
            raise

    def _finish(self, session_id: str, stored: StoredObject) -> None:
        self._state.rows.execute(
            "UPDATE sessions SET state = 'done', result = ? WHERE id = ?",
            (_RESULT.dump_json(stored).decode(), session_id),
        )

    def _end(self, session_id: str, file: str) -> None:
        session = self._open.pop(session_id, None)
        if session is not None:
            session.take_over()
        self._state.content(file).unlink(missing_ok=True)
        self._state.rows.execute("UPDATE sessions SET state = 'gone' WHERE id = ?", (session_id,))

    def _forget_expired(self) -> None:
        """End what has expired; forget it another lifetime later."""
        now = self._clock().astimezone(UTC)
        expired = self._state.rows.execute(
            "SELECT id, file FROM sessions WHERE state = 'open' AND expires_at <= ?",
            (now.isoformat(),),
        ).fetchall()
        for session_id, file in expired:
            self._end(session_id, file)
        query = "DELETE FROM sessions WHERE state != 'open' AND expires_at <= ?"
        self._state.rows.execute(query, ((now - SESSION_LIFETIME).isoformat(),))


def _unknown() -> StorageProblem:
    return StorageProblem(404, "NoSuchUpload", "No such upload session.", reason="notFound")
