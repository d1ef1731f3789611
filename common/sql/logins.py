"""Who may log in as which runtime role: the logins of service accounts, on Cloud SQL.

Terraform makes a login for each unit, without any right. The migrate job, which owns the roles,
makes it a member of its unit's one role; Terraform cannot, since it never connects to a database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import Connection, text

from common.errors import ConfigError

#: Roles that a process may log in as. Never those that see all tenants: `heimdex_ledger` and
#: `heimdex_auditor` have no member, which is what keeps tenants apart.
RUNTIME_ROLES: Final = ("heimdex_api", "heimdex_ingest", "heimdex_worker", "heimdex_operator")

_EXISTS = text("SELECT 1 FROM pg_roles WHERE rolname = :login")
_ROLES_OF = text("""
    SELECT g.rolname FROM pg_auth_members m
    JOIN pg_roles g ON g.oid = m.roleid
    JOIN pg_roles l ON l.oid = m.member
    WHERE l.rolname = :login AND g.rolname LIKE 'heimdex\\_%'
""")


def settle(connection: Connection, logins: Mapping[str, str]) -> list[str]:
    """Give each login its one role, and take away any other of ours; returns what was changed.

    Args:
        connection: of the owner, in the transaction to do it in.
        logins: login → role.

    Raises:
        ConfigError: there is no such login, or it must not have that role.
    """
    return [change for login, role in logins.items() for change in _settle(connection, login, role)]


def _settle(connection: Connection, login: str, role: str) -> Iterator[str]:
    if role not in RUNTIME_ROLES:
        raise ConfigError(f"HEIMDEX_DATABASE_LOGINS: {role!r} is for nobody to log in as")
    if connection.execute(_EXISTS, {"login": login}).one_or_none() is None:
        raise ConfigError(f"HEIMDEX_DATABASE_LOGINS: the database has no login {login!r}")
    quote = connection.dialect.identifier_preparer.quote_identifier
    has = set(connection.execute(_ROLES_OF, {"login": login}).scalars())
    for other in sorted(has - {role}):
        connection.exec_driver_sql(f"REVOKE {quote(other)} FROM {quote(login)}")
        yield f"{_account(login)} is no longer {other}"
    if role not in has:
        connection.exec_driver_sql(f"GRANT {quote(role)} TO {quote(login)}")
        yield f"{_account(login)} is {role}"


def _account(login: str) -> str:
    """The part that logs may have: what looks like a person's address is taken out of them."""
    return login.partition("@")[0]
