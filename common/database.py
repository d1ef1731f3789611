"""Connections and tenant transactions: the only way to a row.

Row-level security shows a transaction the rows of the tenant it names and no others. The name is
set with `set_config(…, is_local => true)`, so it ends with the transaction and cannot leak to the
next borrower of a pooled connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import sqlalchemy
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from common.config import Settings
from common.effects import effect as named_effect
from common.errors import ConfigError, TransientError
from common.sql import version

#: A function instance serves few requests at once; more connections than that only cost memory.
_POOL_SIZE = 2
_MAX_OVERFLOW = 8
_RECYCLE_S = 300

_TENANT = text("SELECT set_config('app.user_id', :user_id, true)")
_HASTY_TENANT = text(
    "SELECT set_config('app.user_id', :user_id, true), "
    "set_config('synchronous_commit', 'off', true)"
)


class Database:
    """A pool of connections to one database as one runtime role.

    Args:
        engine: a SQLAlchemy engine on pg8000.

    The first transaction looks whether the schema is new enough for this code, so that a process
    starts without waiting for the database; until it is, every transaction is refused with
    `SchemaOutdatedError`, a `TransientError`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_checked = False

    @classmethod
    def connect(cls, settings: Settings) -> Database:
        """Make the pool; the first connection is opened at first use.

        Raises:
            ConfigError: neither a URL nor a Cloud SQL instance is configured.
        """
        return cls(engine(settings))

    @contextmanager
    def tenant(
        self, user_id: UUID, *, effect: str | None = None, waits_for_disk: bool = True
    ) -> Iterator[Connection]:
        """A transaction that sees and writes only the rows of `user_id`.

        Args:
            user_id: the tenant, from a verified token or a server-made message.
            effect: the name of the durable effect its commit is; None for reading, which is
                rolled back.
            waits_for_disk: False for what may be lost when the server itself crashes within a
                second of the commit, and is not worth a request's waiting.

        Raises:
            TransientError: the database cannot be reached or the connection was lost.
        """
        with self._transaction(effect) as connection:
            connection.execute(
                _TENANT if waits_for_disk else _HASTY_TENANT, {"user_id": str(user_id)}
            )
            yield connection

    @contextmanager
    def system(self, *, effect: str | None = None) -> Iterator[Connection]:
        """A transaction of no tenant: every tenant table looks empty.

        Only the functions of `heimdex_ledger` (see schema.sql) can do anything useful in it.

        Raises:
            TransientError: as `tenant`.
        """
        with self._transaction(effect) as connection:
            yield connection

    def check_schema(self) -> None:
        """Do now what the first transaction would do: refuse an older schema.

        Raises:
            SchemaOutdatedError: run the migrate job.
            TransientError: as `tenant`.
        """
        with self._transaction(None):
            pass

    def close(self) -> None:
        """Close all pooled connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, effect: str | None) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                if not self._is_checked:
                    version.check(connection)
                    self._is_checked = True
                yield connection
                if effect is None:
                    connection.rollback()
                    return
                with named_effect(effect):
                    connection.commit()
        except DBAPIError as error:
            if not _is_lost(error):
                raise
            raise TransientError(detail=f"database: {type(error.orig).__name__}") from error
        except (ConnectionError, PoolTimeoutError) as error:
            # pg8000 lets the socket's own errors through when the server goes away.
            raise TransientError(detail=f"database: {type(error).__name__}") from error


#: SQLSTATE: two transactions waited for each other, and this one was chosen to give way.
_TRY_AGAIN: Final = frozenset({"40001", "40P01"})


def engine(settings: Settings) -> Engine:
    """A pool by URL, or through the Cloud SQL connector.

    Raises:
        ConfigError: neither a URL nor a Cloud SQL instance is configured.
    """
    options: dict[str, Any] = {
        "pool_size": _POOL_SIZE,
        "max_overflow": _MAX_OVERFLOW,
        "pool_pre_ping": True,
        "pool_recycle": _RECYCLE_S,
    }
    if settings.database_url:
        options["connect_args"] = {"startup_params": _session(settings)}
        return sqlalchemy.create_engine(settings.database_url, **options)
    if settings.cloud_sql_instance:
        options["creator"] = _cloud_sql_creator(settings)
        return sqlalchemy.create_engine("postgresql+pg8000://", **options)
    raise ConfigError("HEIMDEX_DATABASE_URL or HEIMDEX_CLOUD_SQL_INSTANCE must be set")


def _session(settings: Settings) -> dict[str, str]:
    """Parameters of every session: the role to act as, and how long it may be idle inside.

    Whoever takes over a run waits for the locks of who had it. A process that does not go on, and
    whose connection stays open, would hold them for ever.
    """
    idle_ms = round(settings.idle_in_transaction_s * 1000)
    parameters = {"idle_in_transaction_session_timeout": str(idle_ms)}
    return parameters | ({"role": settings.database_role} if settings.database_role else {})


def _is_lost(error: DBAPIError) -> bool:
    """Whether the connection failed, or the server ended it, refuses it or this for now."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    fields = error.orig.args[0] if error.orig is not None and error.orig.args else None
    if isinstance(fields, dict) and fields.get("C") in _TRY_AGAIN:
        return True
    # Untranslated severity, https://www.postgresql.org/docs/17/protocol-error-fields.html
    return isinstance(fields, dict) and fields.get("V") in ("FATAL", "PANIC")


def _cloud_sql_creator(settings: Settings) -> Any:
    """Connections through the Cloud SQL connector, with IAM login and a private address.

    The certificate is refreshed lazily: a background refresh fails when an idle instance has its
    CPU throttled (cloud-sql-python-connector#805).
    """
    from google.cloud.sql.connector import Connector

    connector = Connector(refresh_strategy="lazy", ip_type="private", enable_iam_auth=True)

    def connect() -> Any:
        return connector.connect(
            settings.cloud_sql_instance,
            "pg8000",
            user=settings.database_user,
            db=settings.database_name,
            startup_params=_session(settings),
        )

    return connect
