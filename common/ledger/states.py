"""The state machine of runs and videos, in one place.

| run       | becomes   | by                                                               |
|-----------|-----------|------------------------------------------------------------------|
| –         | ready     | all objects of an upload finalized; the lane before is done      |
| ready     | running   | claim, once `not_before` has passed: attempt + 1, token + 1      |
| running   | running   | claim by another worker, once `lease_until` has passed: the same |
| running   | ready     | transient failure (after a pause), release on SIGTERM (at once), |
|           |           | or sent back to wait for the lane before                         |
| running   | done      | complete                                                         |
| running   | failed    | permanent failure                                                |
| ready,    | dead      | a claim, or a transient failure, with all attempts used          |
| running   |           |                                                                  |
| ready,    | cancelled | the video was deleted, failed in another lane, or was replaced   |
| running   |           | by a newer object                                                |
| done      | ready     | a later lane found one of its artifacts damaged                  |
| any ended | ready     | an operator's rerun: token + 1, attempts count anew              |

All times are the database's: `lease_until` is set by claim and heartbeat, `not_before` by a
transient failure, `rung_at` whenever a message about the run is written. The sweep rings again for
what became due after it was last rung for, or was rung for too long ago. An attempt is counted when
it is claimed and stays counted, also when the worker releases the run: what kills its worker every
time, however politely, must end.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from common.domain import RunState, VideoState

#: From each state of a run, the states it may go to (staying is always allowed).
RUN_TRANSITIONS: Final[Mapping[RunState, frozenset[RunState]]] = MappingProxyType(
    {
        "ready": frozenset(("running", "dead", "cancelled")),
        "running": frozenset(("ready", "done", "failed", "dead", "cancelled")),
        "done": frozenset(("ready",)),
        "failed": frozenset(),
        "dead": frozenset(),
        "cancelled": frozenset(),
    }
)

#: From each state of a video, the states it may go to (staying is always allowed).
VIDEO_TRANSITIONS: Final[Mapping[VideoState, frozenset[VideoState]]] = MappingProxyType(
    {
        "uploading": frozenset(("queued", "failed")),
        "queued": frozenset(("processing", "failed")),
        # A newer object replaces the one that is processed or indexed.
        "processing": frozenset(("indexed", "failed", "queued")),
        "indexed": frozenset(("queued",)),
        "failed": frozenset(),
    }
)

#: What an operator's rerun may do besides (`common.ledger.rescue`).
RUN_RESCUES: Final[Mapping[RunState, frozenset[RunState]]] = MappingProxyType(
    {state: frozenset(("ready",)) for state in ("done", "failed", "dead", "cancelled")}
)
VIDEO_RESCUES: Final[Mapping[VideoState, frozenset[VideoState]]] = MappingProxyType(
    {state: frozenset(("queued",)) for state in ("indexed", "failed", "processing")}
)
