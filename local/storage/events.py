"""Object-finalize events: written with the object, delivered at least once as CloudEvents."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter

from local.storage.faults import Faults
from local.storage.model import StoredObject
from local.storage.resources import object_resource, timestamp
from local.storage.state import State

FINALIZED = "google.cloud.storage.object.v1.finalized"

#: CloudEvents' HTTP binding percent-encodes everything but these in header values.
_PLAIN_IN_HEADERS = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_SELF_URL = "https://www.googleapis.com"
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_ANSWER_TIMEOUT_S = 60.0
_DELIVERIES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Event:
    """A finalize event that is still to be delivered."""

    event_id: str
    bucket: str
    name: str
    #: RFC 3339.
    time: str
    #: JSON of StorageObjectData.
    data: str

    def headers(self) -> Mapping[str, str]:
        """The CloudEvent's attributes in HTTP binary mode.

        Eventarc's have no trace attribute (cloud.google.com/eventarc/docs/cloudevents); the
        request that delivers them has a trace of its own, which is not the uploader's.
        """
        trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
        return {
            "traceparent": trace,
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": self.event_id,
            "ce-type": FINALIZED,
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/{self.bucket}",
            "ce-subject": quote(f"objects/{self.name}", safe=_PLAIN_IN_HEADERS),
            "ce-bucket": self.bucket,
            "ce-time": self.time,
        }


_RECORD = TypeAdapter(Event)


class Events:
    """Delivers events to the target of their bucket until it answers 2xx.

    Args:
        state: events are rows in it until they are delivered.
        target: the URL of a bucket's function, or None.
        faults: looked at anew for every event.
    """

    def __init__(
        self, state: State, target: Callable[[str], str | None], faults: Callable[[], Faults]
    ) -> None:
        self._state = state
        self._target = target
        self._faults = faults
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = itertools.count()
        self._slots = asyncio.Semaphore(_DELIVERIES_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    def record(self, stored: StoredObject) -> int | None:
        """Write the event of a new object; call within the transaction that stores it.

        Returns:
            What `announce` wants after the commit; None for a bucket without a target.
        """
        if self._target(stored.bucket) is None:
            return None
        event = Event(
            event_id=uuid.uuid4().hex,
            bucket=stored.bucket,
            name=stored.name,
            time=timestamp(stored.created_at),
            data=json.dumps(object_resource(stored, _SELF_URL)),
        )
        record = _RECORD.dump_json(event).decode()
        cursor = self._state.rows.execute("INSERT INTO events (record) VALUES (?)", (record,))
        return cursor.lastrowid

    def announce(self, number: int | None) -> None:
        """Start delivering the event that `record` wrote."""
        if number is None:
            return
        task = asyncio.get_running_loop().create_task(self._deliver(number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def pending(self) -> int:
        """How many events are not yet delivered."""
        (count,) = self._state.rows.execute("SELECT count(*) FROM events").fetchone()
        return int(count)

    async def delivered(self) -> None:
        """Wait until no event is under way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def start(self) -> None:
        """Start with what an earlier process left undelivered."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout)
        for (number,) in self._state.rows.execute("SELECT number FROM events").fetchall():
            self.announce(number)

    async def stop(self) -> None:
        """Stop delivering; undelivered events stay."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _deliver(self, number: int) -> None:
        query = "SELECT record FROM events WHERE number = ?"
        (record,) = self._state.rows.execute(query, (number,)).fetchone()
        event = _RECORD.validate_json(record)
        faults = self._faults()
        if not faults.take("lose_events"):
            await self._hold_back(faults)
            await self._until_accepted(event)
        self._state.rows.execute("DELETE FROM events WHERE number = ?", (number,))
        more = faults.event_duplicates + faults.chance(faults.event_duplicate_share)
        for _ in range(more):
            await self._post(event)

    async def _hold_back(self, faults: Faults) -> None:
        overtaken = next(self._turns) % 2 == 0
        await asyncio.sleep(faults.event_delay_s + faults.event_reorder_s * overtaken)

    async def _until_accepted(self, event: Event) -> None:
        for pause_s in _pauses():
            if await self._post(event):
                return
            await asyncio.sleep(pause_s)

    async def _post(self, event: Event) -> bool:
        url = self._target(event.bucket)
        if url is None or self._session is None:
            return False
        try:
            async with (
                self._slots,
                self._session.post(url, data=event.data, headers=event.headers()) as answer,
            ):
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False


def _pauses() -> Iterator[float]:
    """Exponential, with jitter, without end; Eventarc gives up after 24 h, we never do."""
    for attempt in itertools.count():
        longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt, 16))
        yield longest * random.uniform(0.5, 1.0)
