"""What is still to be done for a user, by kind; all zero when everything has settled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from common.domain import LANES
from tests.faults.world import World

_LEFT: Final = """
    SELECT
      (SELECT count(*) FROM videos WHERE user_id = :id AND deleted_at IS NULL
       AND state NOT IN ('indexed', 'failed')) AS videos,
      (SELECT count(*) FROM runs WHERE user_id = :id
       AND state IN ('ready', 'running')) AS runs,
      (SELECT count(*) FROM outbox WHERE user_id = :id
       AND published_at IS NULL) AS outbox,
      (SELECT count(*) FROM erasures WHERE user_id = :id
       AND done_at IS NULL) AS erasures,
      (SELECT count(*) FROM person_photos WHERE user_id = :id
       AND state = 'processing') AS photos,
      (SELECT count(*) FROM face_erasures WHERE user_id = :id) AS face_erasures,
      (SELECT count(*) FROM exports WHERE user_id = :id
       AND state IN ('pending', 'building')) AS exports
"""
#: What is pushed to functions that answer for more than a doorbell's ring.
PUSHES: Final = ("heimdex-dead-letter-push", "heimdex-export-push")


def left(world: World, user_id: UUID) -> Mapping[str, int]:
    """Videos, runs, owed messages, erasures, exports and waiting messages."""
    (row,) = world.rows(_LEFT, id=user_id)
    backlog = sum(world.pubsub.backlog(f"heimdex-{lane}-work") for lane in LANES)
    return {**row._mapping, "backlog": backlog, "pushes": pushes(world)}


def pushes(world: World) -> int:
    """Pushes that no function has taken yet."""
    return sum(world.pubsub.backlog(subscription) for subscription in PUSHES)


def doorbells(world: World) -> int:
    """Doorbells that nobody has answered yet."""
    return sum(world.pubsub.backlog(f"heimdex-{lane}-doorbell") for lane in LANES)
