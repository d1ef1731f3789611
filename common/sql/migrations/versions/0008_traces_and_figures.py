"""The trace of an upload, and figures for the sweep's log and for operators."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; restore a backup")
