"""Who is in which scene, written: only the rows that differ from what is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from common.people import packed


class Found(NamedTuple):
    """A person in a scene. Ids as 16 bytes: there are tens of thousands, most of them known."""

    person_id: bytes
    scene_id: bytes
    #: 0–1, in single precision.
    confidence: float
    first_ms: int
    last_ms: int
    best_ms: int


_KNOWN = text(f"""
    SELECT {packed.uuids("person_id")} AS person_ids, {packed.uuids("scene_id")} AS scene_ids,
           {packed.reals("confidence")} AS confidence, {packed.integers("first_ms")} AS first_ms,
           {packed.integers("last_ms")} AS last_ms, {packed.integers("best_ms")} AS best_ms
    FROM scene_people
    WHERE user_id = :user_id AND (:all OR scene_id IN (
        SELECT id FROM scenes
        WHERE user_id = :user_id AND video_id = ANY(CAST(:video_ids AS uuid[]))))
""")
_DELETE = text("""
    DELETE FROM scene_people p
    USING unnest(CAST(:person_ids AS uuid[]), CAST(:scene_ids AS uuid[]))
          AS gone (person_id, scene_id)
    WHERE p.user_id = :user_id AND p.person_id = gone.person_id AND p.scene_id = gone.scene_id
""")
_UPSERT = text("""
    INSERT INTO scene_people
        (user_id, person_id, scene_id, confidence, first_ms, last_ms, best_ms)
    SELECT :user_id, r.* FROM unnest(
        CAST(:person_ids AS uuid[]), CAST(:scene_ids AS uuid[]), CAST(:confidence AS real[]),
        CAST(:first_ms AS bigint[]), CAST(:last_ms AS bigint[]), CAST(:best_ms AS bigint[])) AS r
    ON CONFLICT (user_id, person_id, scene_id) DO UPDATE
        SET confidence = excluded.confidence, first_ms = excluded.first_ms,
            last_ms = excluded.last_ms, best_ms = excluded.best_ms
""")


def replace(
    tx: Connection, user_id: UUID, found: Iterable[Found], *, video_ids: Sequence[UUID] | None
) -> None:
    """Make `found` all there is.

    Args:
        tx: a transaction of this tenant.
        user_id: the tenant.
        found: one per person and scene.
        video_ids: of the scenes of these videos; of all if None.
    """
    wanted = {each[:2]: each for each in found}
    known = _known(tx, user_id, video_ids)
    gone = [key for key in known if key not in wanted]
    if gone:
        ids = {
            "person_ids": packed.array(UUID(bytes=person) for person, _ in gone),
            "scene_ids": packed.array(UUID(bytes=scene) for _, scene in gone),
        }
        tx.execute(_DELETE, {"user_id": user_id} | ids)
    changed = [each for key, each in wanted.items() if known.get(key) != each[2:]]
    if changed:
        columns = {
            "person_ids": packed.array(UUID(bytes=each.person_id) for each in changed),
            "scene_ids": packed.array(UUID(bytes=each.scene_id) for each in changed),
            "confidence": packed.array(each.confidence for each in changed),
            "first_ms": packed.array(each.first_ms for each in changed),
            "last_ms": packed.array(each.last_ms for each in changed),
            "best_ms": packed.array(each.best_ms for each in changed),
        }
        tx.execute(_UPSERT, {"user_id": user_id} | columns)


def _known(
    tx: Connection, user_id: UUID, video_ids: Sequence[UUID] | None
) -> dict[tuple[bytes, bytes], tuple[float, int, int, int]]:
    chosen = {"all": video_ids is None, "video_ids": packed.array(video_ids or ())}
    row = tx.execute(_KNOWN, {"user_id": user_id} | chosen).one()
    keys = zip(packed.split_ids(row.person_ids), packed.split_ids(row.scene_ids), strict=True)
    values = zip(
        packed.read_reals(row.confidence).tolist(),
        packed.read_integers(row.first_ms).tolist(),
        packed.read_integers(row.last_ms).tolist(),
        packed.read_integers(row.best_ms).tolist(),
        strict=True,
    )
    return dict(zip(keys, values, strict=True))
