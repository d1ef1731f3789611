"""Binary codes beside the vectors, and what is asked of a term or tag within its key.

Rows of index versions that were made before have none; the coding is part of the index version, so
no query searches them by code.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE text_codes (
    user_id       uuid NOT NULL,
    index_version text NOT NULL,
    scene_id      uuid NOT NULL,
    code          bit(1024) NOT NULL,
    PRIMARY KEY (user_id, index_version, scene_id),
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
ALTER TABLE text_codes ALTER COLUMN code SET STORAGE PLAIN;
CREATE INDEX text_codes_by_scene ON text_codes (user_id, scene_id);

CREATE TABLE frame_codes (
    user_id       uuid NOT NULL,
    index_version text NOT NULL,
    scene_id      uuid NOT NULL,
    time_ms       bigint NOT NULL,
    code          bit(1152) NOT NULL,
    PRIMARY KEY (user_id, index_version, scene_id, time_ms),
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
ALTER TABLE frame_codes ALTER COLUMN code SET STORAGE PLAIN;
CREATE INDEX frame_codes_by_scene ON frame_codes (user_id, scene_id);"""
_PRIVATE = """
    ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON {table} TO heimdex_api, heimdex_ingest, heimdex_worker
        USING (user_id = app_user_id()) WITH CHECK (user_id = app_user_id());
    GRANT SELECT, DELETE ON {table} TO heimdex_api;
    GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO heimdex_worker;
"""
_KEYS = """
    ALTER TABLE scene_terms DROP CONSTRAINT scene_terms_pkey,
        ADD PRIMARY KEY (user_id, index_version, source, term, scene_id) INCLUDE (weight);
    ALTER TABLE scene_tags DROP CONSTRAINT scene_tags_pkey,
        ADD PRIMARY KEY (user_id, index_version, tag, scene_id) INCLUDE (score);
"""


def upgrade() -> None:
    op.execute(_KEYS)
    op.execute(_TABLES)
    for table in ("text_codes", "frame_codes"):
        op.execute(_PRIVATE.format(table=table))


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup")
