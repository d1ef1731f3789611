"""Which schema this code needs, and a refusal to work on an older one.

A release is migrated before it is deployed (docs/adr/0013), so an older schema means that the
migration was forgotten, failed, or a backup was restored. Statements would then fail one by one,
somewhere, with errors that say nothing of it. A newer schema is no fault: migrations only add, so
that the release before goes on working while, and after, the next one is rolled out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from common.errors import TransientError

#: Files are named by their revision, so that Alembic need not be shipped to know them.
VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"

_READ = text("SELECT version_num FROM alembic_version")


class SchemaOutdatedError(TransientError):
    """The database has an older schema than this code needs.

    Transient: what was asked for can be done as soon as the migration has run, and until then
    Pub/Sub and Eventarc keep what they could not deliver.
    """

    def __init__(self, found: str) -> None:
        super().__init__(
            "schema_outdated",
            f"the database is at {found}, this code needs {required()}: run the migrate job",
        )


@cache
def known() -> tuple[str, ...]:
    """Every revision that this code knows, oldest first."""
    return tuple(sorted(path.stem.partition("_")[0] for path in VERSIONS.glob("[0-9]*.py")))


def required() -> str:
    """The revision that this code was written for."""
    return known()[-1]


def check(connection: Connection) -> None:
    """Return if the schema is the one this code needs, or a newer one.

    Args:
        connection: in a transaction that may be given up; as any runtime role.

    Raises:
        SchemaOutdatedError: it is older, or was never migrated.
    """
    try:
        found = connection.execute(_READ).scalar_one_or_none()
    except ProgrammingError as error:
        # No such table, or one that no runtime role may read: nobody has migrated, or long ago.
        raise SchemaOutdatedError("no version that can be read") from error
    if found is None or found in known()[:-1]:
        raise SchemaOutdatedError(str(found))
