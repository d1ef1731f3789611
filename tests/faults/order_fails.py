"""Faults of order: things that come twice, too late, in between, or damaged."""

from __future__ import annotations

import json
import signal
from random import Random
from typing import Any, Final

import grpc

from common.messages import RunReady, encode
from tests.faults.actors import push_body
from tests.faults.boundaries import Boundary
from tests.faults.plan import Plan
from tests.faults.processes import Child
from tests.faults.story import Story
from tests.faults.ways import at, during, ending, expecting
from tests.faults.wiring import ARTIFACTS

_COPIES: Final = 10
_WORKERS: Final = 4


def doubled(boundary: Boundary, rng: Random) -> Plan:
    """F3: ten copies, four takers: one claim, and no stage runs twice."""
    once = ending(boundary, claims=0, repeats=0)
    if boundary.name == "S3":
        return during(boundary, rng, actor="client", before=_double_events, expect=once)
    if boundary.name == "S4":
        return during(boundary, rng, copies=_WORKERS, expect=once)
    if boundary.name == "S5":
        # The first publisher fails for good, and four sweeps find what it owes.
        return during(
            boundary, rng, actor="sweep", copies=_WORKERS, setup=_refuse_publish, expect=once
        )
    if boundary.name == "S6":
        return during(boundary, rng, copies=_WORKERS, expect=once)
    if boundary.name == "S19":
        return during(boundary, rng, copies=_WORKERS, expect=ending(boundary))
    if boundary.name == "S7":
        return during(boundary, rng, copies=_WORKERS, before=_double_messages, expect=once)
    plan = at(boundary, rng, "after", deed=_others_try, only=("stage.start", "artifact.write"))
    return expecting(plan, claims=0, repeats=0)


def reordered(boundary: Boundary, rng: Random) -> Plan:
    """F4: what is older comes later, and is ignored; a tombstone wins."""
    if boundary.name == "S19":
        gone = ending(boundary)
        return during(
            boundary,
            rng,
            actor="finalize",
            before=Story.delete,
            errands=frozenset(),
            expect=gone,
        )
    if boundary.name == "S5":
        return during(boundary, rng, after=_ring_wrong_lane, expect=ending(boundary, claims=0))
    changes = rng.choice(({}, {"size": "7"}, {"crc32c": "AAAAAA=="}, {"contentType": "text/x"}))

    def late(story: Story) -> None:
        _send_older_event(story, changes)

    return during(boundary, rng, after=late, expect=ending(boundary, claims=0, repeats=0))


def deleted(boundary: Boundary, rng: Random) -> Plan:
    """F15: the tombstone wins over whatever is under way."""
    # Before an effect that is a transaction its rows are locked: the deletion would wait.
    free = {
        "S2": "client.put",
        "S3": "event.answer",
        "S5": "outbox.publish",
        "S6": "job.start",
        "S7": "message.ack",
    }
    if boundary.name in free:
        effect, when = free[boundary.name], rng.choice(("before", "after"))
    elif boundary.name == "S4":
        effect, when = "upload.finalize", "after"
    else:
        effect, when = "artifact.write", rng.choice(("before", "after"))
    plan = at(boundary, rng, when, deed=lambda story, _: story.delete(), only=(effect,))
    return expecting(plan, state="deleted")


def torn(boundary: Boundary, rng: Random) -> Plan:
    """F17: a checkpoint with other bytes is made again, and only it."""
    flip = rng.random() < 0.5

    def damage(story: Story, child: Child) -> None:
        child.signal(signal.SIGKILL)
        (row,) = story.world.rows(
            "SELECT artifact_key FROM jobs WHERE user_id = :user_id AND stage = :stage",
            user_id=story.user_id,
            stage=boundary.stage,
        )
        data = story.world.store.read(ARTIFACTS, row.artifact_key)
        place = rng.randrange(len(data))
        bad = bytes([data[place] ^ 1]) + data[place + 1 :] if flip else b""
        story.world.store.write(
            ARTIFACTS,
            row.artifact_key,
            data[:place] + bad,
            content_type="application/zip",
            effect="test.damage",
        )

    def check(story: Story) -> None:
        story.work()

    plan = at(boundary, rng, "after", deed=damage, only=("stage.finish",), after=check)
    return expecting(plan, repeats=boundary.rows)


def _double_events(story: Story) -> None:
    story.world.storage.faults.event_duplicates = _COPIES - 1


def _refuse_publish(story: Story) -> None:
    # A status that no client repeats.
    story.world.pubsub.faults.calls.fail_next("Publish", grpc.StatusCode.ABORTED, times=20)


def _runs(story: Story) -> list[Any]:
    return story.world.rows(
        "SELECT id, lane FROM runs WHERE user_id = :id AND state IN ('ready', 'running')",
        id=story.user_id,
    )


def _publish(story: Story, topic: str, run_id: Any, lane: Any) -> None:
    message = RunReady(user_id=story.user_id, run_id=run_id, lane=lane)
    story.world.bus.publish(topic, encode(message).encode(), {}, effect="test.publish")


def _double_messages(story: Story) -> None:
    for run in _runs(story):
        for _ in range(_COPIES - 1):
            _publish(story, f"heimdex-{run.lane}", run.id, run.lane)


def _others_try(story: Story, child: Child) -> None:
    """While a worker holds the run, others are told of it and find nothing to do."""
    _double_messages(story)
    for _ in range(_WORKERS - 1):
        story.work()


def _ring_wrong_lane(story: Story) -> None:
    """A message about a run reaches the other lane's workers before its own."""
    for run in _runs(story):
        other = "gpu" if run.lane == "media" else "media"
        _publish(story, f"heimdex-{other}", run.id, run.lane)
        _publish(story, f"heimdex-{other}", run.id, other)


def _send_older_event(story: Story, changes: dict[str, str]) -> None:
    """The finalize event of an older generation of the object."""
    (row,) = story.world.rows(
        "SELECT object_name, size_bytes, content_type FROM upload_objects WHERE user_id = :id",
        id=story.user_id,
    )
    data = {
        "bucket": "heimdex-test-uploads",
        "name": row.object_name,
        "generation": "1",
        "size": str(row.size_bytes),
        "contentType": row.content_type,
        "crc32c": "",
    }
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "older",
        "ce-source": "s",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "content-type": "application/json",
    }
    story.act("finalize", {"headers": headers, "body": json.dumps(data | changes)})
    story.act("sweep", {"body": push_body("heimdex-sweep-push")})
