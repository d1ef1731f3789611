"""Change a user's tier: `python -m common.quotas.tiers USER_ID TIER`.

Connects by HEIMDEX_DATABASE_URL (or the Cloud SQL settings) as the role that owns the tables: no
runtime role may choose a tier. Another tier begins with full buckets. Videos of a tier that keeps
them for a time only are kept that long from the change on; it is written as an audit event.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from common import log
from common.config import load
from common.database import engine
from common.effects import effect


def change(owner: Connection, user_id: UUID, tier: str) -> bool:
    """Give a user a tier; False if there is no such user, or the tier is theirs already.

    Args:
        owner: a transaction of the role that owns the tables, which the caller commits.
        user_id: the user.
        tier: a name in the table `tiers`; another one fails by its foreign key.
    """
    values = {"user_id": user_id, "tier": tier}
    return bool(owner.execute(text("SELECT set_tier(:user_id, :tier)"), values).scalar_one())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if the tier was changed."""
    parser = argparse.ArgumentParser(prog="python -m common.quotas.tiers", description=__doc__)
    parser.add_argument("user_id", type=UUID)
    parser.add_argument("tier", help="a name in the table tiers: free, pro, enterprise, …")
    options = parser.parse_args(arguments)
    log.configure("tiers")
    owner = engine(load())
    with owner.connect() as connection:
        changed = change(connection, options.user_id, options.tier)
        with effect("tier.change"):
            connection.commit()
    owner.dispose()
    log.event("tier.changed" if changed else "tier.unchanged", tier=options.tier)
    return 0 if changed else 1


if __name__ == "__main__":
    raise SystemExit(main())
