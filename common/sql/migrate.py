"""Bring a database to the current schema: `python -m common.sql.migrate`.

Runs as the owner of the tables, which on Cloud SQL is not a superuser: there it is a job of its
own, with the image of the others (docs/adr/0013). One migration at a time: an advisory lock keeps
two deployments from migrating at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import sqlalchemy
from alembic import command
from alembic.config import Config

from common import log
from common.config import load
from common.database import engine
from common.effects import effect
from common.errors import ConfigError
from common.sql import logins as database_logins
from common.sql import version

_MIGRATIONS = Path(__file__).parent / "migrations"
#: Any fixed number; nothing else takes advisory locks on these databases.
_LOCK = 0x48454D44
_NO_LOGINS: Final[Mapping[str, str]] = MappingProxyType({})
#: Every process looks whether the schema is new enough for it.
_READABLE: Final = f"GRANT SELECT ON alembic_version TO {', '.join(database_logins.RUNTIME_ROLES)}"


def upgrade(
    owner: sqlalchemy.Engine, revision: str = "head", *, logins: Mapping[str, str] = _NO_LOGINS
) -> None:
    """Apply all migrations up to `revision` and give logins their roles, in one transaction.

    Args:
        owner: connects as the role that owns the tables.
        revision: an Alembic revision; all by default.
        logins: login → runtime role; others are left alone.

    Raises:
        ConfigError: a login does not exist, or must not have its role.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with owner.connect() as connection, connection.begin() as transaction:
        connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if revision == "head":
            connection.exec_driver_sql(_READABLE)
        changes = database_logins.settle(connection, logins)
        with effect("schema.upgrade"):
            transaction.commit()
    for change in changes:
        log.event("schema.login", change=change)


def main() -> int:
    """Migrate the configured database; returns the exit code."""
    log.configure("heimdex-migrate")
    try:
        settings = load()
        owner = engine(settings)
        upgrade(owner, logins=settings.database_logins)
    except ConfigError as error:
        log.event("schema.refused", severity="ERROR", error=error)
        return 1
    owner.dispose()
    log.event("schema.upgraded", revision=version.required())
    return 0


if __name__ == "__main__":
    sys.exit(main())
