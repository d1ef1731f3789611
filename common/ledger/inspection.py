"""What operators see of the ledger: states, codes, times, keys; never content.

Finding works across tenants through functions that return ids and states (schema.sql); everything
else is read in a transaction of its tenant.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from common.database import Database
from common.ledger.facts import (
    Explanation,
    Filter,
    Intervention,
    LetterLine,
    ObjectFacts,
    OwedMessage,
    ReceiptFacts,
    RunFacts,
    RunLine,
    StageFacts,
    VideoFacts,
    VideoLine,
)
from common.videos.erasing import sha256_of

_FIND = "(:state, CAST(:user_id AS uuid), :older_than_s, :limit)"
_VIDEO = text("""
    SELECT user_id, id, state, error_code, generation, duration_ms, scene_count, index_version,
           created_at, updated_at, indexed_at, deleted_at
    FROM videos WHERE user_id = :user_id AND id = :video_id
""")
_OBJECTS = text("""
    SELECT ordinal, kind, content_type, size_bytes, generation, expires_at, finalized_at, error_code
    FROM upload_objects WHERE user_id = :user_id AND video_id = :video_id ORDER BY ordinal
""")
_RUNS = text("""
    SELECT id, lane, generation, state, attempt, fencing_token, owner, lease_until, heartbeat_at,
           CASE WHEN isfinite(not_before) THEN not_before END AS not_before,
           NOT isfinite(not_before) AS waits, error_code, error_detail, created_at, finished_at
    FROM runs WHERE user_id = :user_id AND video_id = :video_id
    ORDER BY generation, lane = 'media' DESC, lane
""")
_STAGES = text("""
    SELECT stage, state, version, attempt, progress, error_code, note, artifact_key,
           artifact_sha256, artifact_bytes, started_at, finished_at, duration_ms
    FROM jobs WHERE user_id = :user_id AND run_id = :run_id ORDER BY ordinal
""")
# A payload names its run.
_OUTBOX = text("""
    SELECT o.id, o.topic, o.created_at, o.published_at FROM outbox o
    JOIN runs r ON r.user_id = o.user_id AND position(CAST(r.id AS text) IN o.payload) > 0
    WHERE o.user_id = :user_id AND r.video_id = :video_id ORDER BY o.created_at, o.id
""")
_LETTER_COLUMNS = (
    "d.id, d.user_id, d.run_id, d.reason, d.error_code, d.subscription, d.delivery_attempts, "
    "d.received_at, d.replayed_at, d.replayed_by"
)
_LETTERS_OF_VIDEO = text(f"""
    SELECT {_LETTER_COLUMNS} FROM dead_letters d
    JOIN runs r ON r.user_id = d.user_id AND r.id = d.run_id
    WHERE r.user_id = :user_id AND r.video_id = :video_id ORDER BY d.received_at, d.id
""")
_LETTERS = text(f"""
    SELECT {_LETTER_COLUMNS} FROM dead_letters d ORDER BY d.received_at DESC, d.id LIMIT :limit
""")
_RECEIPT = text("""
    SELECT id, subject, requested_by, requested_at, finished_at, removed FROM erasure_receipts
    WHERE subject_sha256 = :sha256 ORDER BY requested_at DESC LIMIT 1
""")
_INTERVENTIONS = text("""
    SELECT lane, from_stage, operator, reason, created_at FROM interventions
    WHERE user_id = :user_id AND video_id = :video_id ORDER BY created_at, id
""")


class Inspection:
    """Looks, and changes nothing.

    Args:
        db: as `heimdex_operator`.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def videos(self, wanted: Filter) -> tuple[VideoLine, ...]:
        """Videos of all tenants."""
        with self._db.system() as tx:
            rows = tx.execute(text(f"SELECT * FROM operator_videos{_FIND}"), vars(wanted))
            return tuple(VideoLine(**row._mapping) for row in rows)

    def runs(self, wanted: Filter) -> tuple[RunLine, ...]:
        """Runs of all tenants."""
        with self._db.system() as tx:
            rows = tx.execute(text(f"SELECT * FROM operator_runs{_FIND}"), vars(wanted))
            return tuple(RunLine(**row._mapping) for row in rows)

    def owner(self, video_id: UUID) -> UUID | None:
        """Whose video it is; None if there is none, or it was erased."""
        with self._db.system() as tx:
            statement = text("SELECT user_id FROM operator_owner(CAST(:video_id AS uuid))")
            row = tx.execute(statement, {"video_id": video_id}).one_or_none()
        return None if row is None else row.user_id

    def explain(self, user_id: UUID, video_id: UUID) -> Explanation | None:
        """What happened to a video; None if it is gone."""
        key = {"user_id": user_id, "video_id": video_id}
        with self._db.tenant(user_id) as tx:
            video = tx.execute(_VIDEO, key).one_or_none()
            if video is None:
                return None
            letters = tx.execute(_LETTERS_OF_VIDEO, key)
            noted = tx.execute(_INTERVENTIONS, key)
            return Explanation(
                video=VideoFacts(**video._mapping),
                objects=tuple(ObjectFacts(**row._mapping) for row in tx.execute(_OBJECTS, key)),
                runs=tuple(_run(tx, key, row._mapping) for row in tx.execute(_RUNS, key).all()),
                messages=tuple(OwedMessage(**row._mapping) for row in tx.execute(_OUTBOX, key)),
                dead_letters=tuple(LetterLine(**row._mapping) for row in letters),
                interventions=tuple(Intervention(**row._mapping) for row in noted),
            )

    def receipt(self, subject: UUID) -> ReceiptFacts | None:
        """The receipt of a video or user that was erased; None if there is none."""
        values = {"sha256": sha256_of(subject)}
        with self._db.system() as tx:
            row = tx.execute(_RECEIPT, values).one_or_none()
        return None if row is None else ReceiptFacts(**row._mapping)

    def letters(self, limit: int) -> tuple[LetterLine, ...]:
        """Dead letters, the newest first."""
        with self._db.system() as tx:
            rows = tx.execute(_LETTERS, {"limit": limit})
            return tuple(LetterLine(**row._mapping) for row in rows)


def _run(tx: Connection, key: dict[str, Any], row: Any) -> RunFacts:
    stages = tx.execute(_STAGES, key | {"run_id": row["id"]})
    return RunFacts(**row, stages=tuple(StageFacts(**stage._mapping) for stage in stages))
