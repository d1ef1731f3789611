"""Dead letters, replayed: what they asked for is asked for again."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, text

from common.database import Database
from common.errors import InputError, NotFoundError
from common.ledger.dead_letters import MAX_PAYLOAD_BYTES
from common.ledger.readiness import ring
from common.ledger.rescue import Order, Rescues
from common.ports import Publisher

#: Subscriptions are named after their topic.
_SUFFIXES: Final = ("-work", "-doorbell", "-push")

_LETTER = text("""
    SELECT user_id, run_id, subscription, payload, replayed_at FROM dead_letters WHERE id = :id
""")
_RUN = text("""
    SELECT video_id, lane, traceparent FROM runs WHERE user_id = :user_id AND id = :run_id
""")
_MARK = text("""
    UPDATE dead_letters SET replayed_at = clock_timestamp(), replayed_by = :operator
    WHERE id = :id AND replayed_at IS NULL
""")


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What became of it.

    `rerun`: its run is ready again. `rung`: its run was not over, and its message was written
    again. `published`: it names no run, and its bytes were sent again. `repeated`: it had been
    replayed before. `complete`: its run is done.
    """

    outcome: Literal["rerun", "rung", "published", "repeated", "complete"]
    #: Whose messages are to be published.
    user_id: UUID | None = None
    message_ids: tuple[UUID, ...] = ()


class Replays:
    """Replays dead letters.

    Args:
        db: as `heimdex_operator`.
        bus: sends what no run answers for.
    """

    def __init__(self, db: Database, bus: Publisher) -> None:
        self._db = db
        self._bus = bus
        self._rescues = Rescues(db)

    def replay(self, letter_id: str, operator: str) -> Replay:
        """Ask again for what a dead letter asked for, once.

        Raises:
            NotFoundError: there is no such letter.
            InputError: `wrong_state`; it cannot be sent again, or its run cannot go on.
            TransientError: Pub/Sub or the database cannot be reached.
        """
        with self._db.system() as tx:
            letter = tx.execute(_LETTER, {"id": letter_id}).one_or_none()
        if letter is None:
            raise NotFoundError(f"dead letter {letter_id}")
        if letter.replayed_at is not None:
            return Replay(outcome="repeated")
        replayed = (
            self._send(letter_id, letter)
            if letter.user_id is None
            else self._resume(letter_id, letter, operator)
        )
        with self._db.system(effect="dead_letter.mark") as tx:
            tx.execute(_MARK, {"id": letter_id, "operator": operator})
        return replayed

    def _send(self, letter_id: str, letter: Row[Any]) -> Replay:
        topic = letter.subscription
        suffix = next((each for each in _SUFFIXES if topic.endswith(each)), "")
        data = base64.b64decode(letter.payload)
        if not suffix or len(data) >= MAX_PAYLOAD_BYTES:
            raise InputError("wrong_state", f"dead letter {letter_id}: origin or end unknown")
        self._bus.publish(topic.removesuffix(suffix), data, {}, effect="dead_letter.replay")
        return Replay(outcome="published")

    def _resume(self, letter_id: str, letter: Row[Any], operator: str) -> Replay:
        user_id, run_id = letter.user_id, letter.run_id
        with self._db.tenant(user_id) as tx:
            run = tx.execute(_RUN, {"user_id": user_id, "run_id": run_id}).one_or_none()
        if run is None:
            raise NotFoundError(f"run {run_id}")
        if run.video_id is None:
            raise InputError("wrong_state", f"run {run_id} is about a photo; upload it again")
        order = Order(operator=operator, reason=f"replay of dead letter {letter_id}")
        rescue = self._rescues.rerun(user_id, run.video_id, order)
        if rescue.outcome == "complete":
            return Replay(outcome="complete")
        if rescue.outcome == "ready":
            return Replay(outcome="rerun", user_id=user_id, message_ids=rescue.message_ids)
        with self._db.tenant(user_id, effect="run.ring") as tx:
            # A run that is held, or not due yet, ignores it.
            owed = ring(tx, user_id, run_id, run.lane, traceparent=run.traceparent)
        return Replay(outcome="rung", user_id=user_id, message_ids=(owed,))
