"""What a video's index holds, as one hash that does not depend on whose video it is."""

from __future__ import annotations

import hashlib
import json
from typing import Final
from uuid import UUID

from tests.faults.wiring import ARTIFACTS, UPLOADS
from tests.faults.world import World

#: Everything that search reads of a scene, by table, without the ids.
_TABLES: Final = {
    "scenes": "s.index_version, s.start_ms, s.end_ms, s.transcript, s.languages, s.screen_text, "
    "s.tags, s.best_frame_ms, s.transcript_length, s.screen_length",
    "scene_terms": "t.index_version, t.source, t.term, t.weight",
    "scene_tags": "t.index_version, t.tag, t.score",
    "text_vectors": "t.index_version, t.vector",
    "frame_vectors": "t.index_version, t.time_ms, t.vector",
    "text_codes": "t.index_version, t.code",
    "frame_codes": "t.index_version, t.time_ms, t.code",
}

#: Columns that move when time passes.
_PASSING: Final = "CAST('{lease_until,not_before,rung_at,created_at,expires_at}' AS text[])"


def fingerprint(world: World, user_id: UUID, video_id: UUID) -> str:
    """Hash of all rows and sidecars of a video."""
    parts: list[str] = []
    for table, columns in _TABLES.items():
        joined = (
            ""
            if table == "scenes"
            else f"JOIN {table} t ON t.user_id = s.user_id AND t.scene_id = s.id "
        )
        rows = world.rows(
            f"SELECT s.ordinal, {columns} FROM scenes s {joined}"
            "WHERE s.user_id = :user_id AND s.video_id = :video_id",
            user_id=user_id,
            video_id=video_id,
        )
        parts += sorted(f"{table} {tuple(map(str, row))}" for row in rows)
    prefix = f"sidecars/{user_id}/{video_id}/"
    sidecars = [
        json.loads(world.store.read(ARTIFACTS, info.name))
        for info in world.store.list(ARTIFACTS, prefix)
    ]
    parts += sorted(json.dumps(sidecar, sort_keys=True) for sidecar in sidecars)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def tenant_state(world: World, user_id: UUID) -> str:
    """Hash of everything that belongs to a tenant, as it is, but for times that pass."""
    tables = [
        row.table_name
        for row in world.rows(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND column_name = 'user_id' ORDER BY 1"
        )
    ]
    each = " UNION ALL ".join(
        f"SELECT '{table}', md5(string_agg(CAST(to_jsonb(t) - {_PASSING} AS text), ';' "
        f"ORDER BY CAST(to_jsonb(t) AS text))) FROM {table} t WHERE user_id = :user_id"
        for table in tables
    )
    rows = world.rows(each, user_id=user_id)
    objects = [
        f"{info.name} {info.generation} {info.crc32c}"
        for bucket in (UPLOADS, ARTIFACTS)
        for info in world.store.list(bucket, "")
        if str(user_id) in info.name
    ]
    return hashlib.sha256(repr((rows, objects)).encode()).hexdigest()
