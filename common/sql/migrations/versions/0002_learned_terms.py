"""Terms whose weights a text model learned, beside those that are counted."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE scene_terms DROP CONSTRAINT scene_terms_source_check")
    op.execute(
        "ALTER TABLE scene_terms ADD CONSTRAINT scene_terms_source_check "
        "CHECK (source IN ('transcript', 'screen', 'learned'))"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup")
