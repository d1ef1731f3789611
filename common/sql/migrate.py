"""Bring a database to the current schema: `python -m common.sql.migrate`.

Runs as the owner of the tables, which on Cloud SQL is not a superuser. One migration at a time:
an advisory lock keeps two deployments from migrating at once.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config

from common import log
from common.config import load
from common.database import engine
from common.effects import effect

_MIGRATIONS = Path(__file__).parent / "migrations"
#: Any fixed number; nothing else takes advisory locks on these databases.
_LOCK = 0x48454D44


def upgrade(owner: sqlalchemy.Engine, revision: str = "head") -> None:
    """Apply all migrations up to `revision`, in one transaction.

    Args:
        owner: connects as the role that owns the tables.
        revision: an Alembic revision; all by default.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with owner.connect() as connection, connection.begin() as transaction:
        connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        with effect("schema.upgrade"):
            transaction.commit()


def main() -> None:
    """Migrate the configured database."""
    log.configure()
    owner = engine(load())
    upgrade(owner)
    owner.dispose()
    log.event("schema.upgraded")


if __name__ == "__main__":
    main()
