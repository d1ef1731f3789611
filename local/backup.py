"""`python -m local.backup`: save the ledger of a running local cloud, lose it, and bring it back.

It is what a restore drill practises, with PostgreSQL's own programs. Objects (uploads, artifacts,
sidecars) are not in it: they stay where they are, as Cloud Storage's do when a database is lost.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pg8000.native
from sqlalchemy.engine import URL, make_url

from local import postgres
from local.address import running_cloud

#: Of any database; it is connected to while ours is dropped and made.
_MAINTENANCE: Final = "postgres"


class Ledger:
    """The database of a running local cloud, as its superuser.

    Args:
        url: as `CloudAddress.database_url` gives it.
    """

    def __init__(self, url: URL) -> None:
        if url.username is None or url.database is None:
            raise ValueError(f"no user or no database in {url!r}")
        self._user, self._database = url.username, url.database
        self._socket = Path(str(url.query["unix_sock"]))

    def save(self, file: Path) -> None:
        """Write a backup: schema, rows, grants and policies, as of one moment.

        Raises:
            RuntimeError: pg_dump failed; what it said.
        """
        self._run("pg_dump", "--format=custom", f"--file={file}", self._database)

    def lose(self) -> None:
        """Drop the database, whoever is connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{self._database}" WITH (FORCE)')

    def restore(self, file: Path) -> None:
        """Put the backup in place of whatever is there; all of it or nothing.

        Raises:
            RuntimeError: pg_restore failed; what it said.
        """
        self.lose()
        self._execute(f'CREATE DATABASE "{self._database}"')
        self._run("pg_restore", "--single-transaction", f"--dbname={self._database}", str(file))

    def _execute(self, sql: str) -> None:
        with pg8000.native.Connection(
            self._user, unix_sock=os.fspath(self._socket), database=_MAINTENANCE
        ) as connection:
            connection.run(sql)

    def _run(self, program: str, *arguments: str) -> None:
        command = [
            os.fspath(postgres.program(program)),
            f"--host={self._socket.parent}",
            f"--username={self._user}",
        ]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    address = running_cloud((options.state / "cloud").resolve())
    if address is None:
        print("Error: no local cloud is running; start one with: make up", file=sys.stderr)
        return 1
    ledger = Ledger(make_url(address.database_url))
    command: Callable[[Ledger, argparse.Namespace], str] = options.command
    try:
        print(command(ledger, options))
    except RuntimeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _save(ledger: Ledger, options: argparse.Namespace) -> str:
    ledger.save(options.file)
    return f"Saved the ledger in {options.file}: {options.file.stat().st_size:,} bytes"


def _lose(ledger: Ledger, options: argparse.Namespace) -> str:
    ledger.lose()
    return "The ledger is gone."


def _restore(ledger: Ledger, options: argparse.Namespace) -> str:
    ledger.restore(options.file)
    return f"Restored the ledger from {options.file}"


def _parser() -> argparse.ArgumentParser:
    state = Path(os.environ.get("HEIMDEX_STATE", ".heimdex"))
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--state", type=Path, default=state, help="state directory (%(default)s)")
    file = argparse.ArgumentParser(add_help=False)
    file.add_argument("file", type=Path, help="the backup")
    parser = argparse.ArgumentParser(prog="python -m local.backup", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    save = commands.add_parser("save", parents=[shared, file], help="write a backup")
    save.set_defaults(command=_save)
    lose = commands.add_parser(
        "lose", parents=[shared], help="drop the database: a drill's accident"
    )
    lose.set_defaults(command=_lose)
    restore = commands.add_parser("restore", parents=[shared, file], help="bring a backup back")
    restore.set_defaults(command=_restore)
    return parser


if __name__ == "__main__":
    sys.exit(main())
