"""A run that is over, and how to look at what it left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.faults.plan import Expect
from tests.faults.world import DEAD_LETTERS, World


@dataclass(frozen=True, kw_only=True)
class Bystander:
    """Another tenant with an indexed video, whom no fault of ours may touch."""

    user_id: UUID
    video_id: UUID
    #: Of a run without faults.
    fingerprint: str
    #: Of all its rows and objects.
    state: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that is over."""

    world: World
    user_id: UUID
    video_id: UUID
    expect: Expect
    bystander: Bystander
    seconds: float
    #: Why it did not come to its end, or "".
    stuck: str = ""

    @property
    def erased(self) -> bool:
        """Whether nothing of the video is to be left."""
        return self.expect.state in ("deleted", "gone")

    def rows(self, sql: str) -> list[Any]:
        """Rows of the tenant; the statement may use :user_id and :video_id."""
        values = {"user_id": self.user_id, "video_id": self.video_id}
        used = {name: value for name, value in values.items() if f":{name}" in sql}
        return self.world.rows(sql, **used)

    def count(self, sql: str) -> int:
        """The one number that a statement gives."""
        return int(self.rows(sql)[0][0])

    def names(self, bucket: str) -> set[str]:
        """Objects of the tenant."""
        return {x.name for x in self.world.store.list(bucket, "") if str(self.user_id) in x.name}

    def archives(self) -> set[str]:
        """Names of the archives that can be downloaded."""
        ready = "SELECT object_name FROM exports WHERE user_id = :user_id AND state = 'ready'"
        return {row.object_name for row in self.rows(ready)}

    def dead_letters(self) -> dict[str, bytes]:
        """What was published for people, by message, taken away."""
        letters = {}
        for _ in range(self.world.pubsub.backlog(DEAD_LETTERS)):
            received = self.world.bus.pull(DEAD_LETTERS, wait_s=1.0)
            if received is not None:
                letters[received.message_id] = received.data
        return letters
