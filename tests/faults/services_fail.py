"""Faults of what processes call: refused, answered but not heard, cut, lost, out of quota."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

import grpc

from common.domain import LANES
from local.rpc import CallFaults
from tests.faults.boundaries import Boundary
from tests.faults.plan import Deed, Plan
from tests.faults.processes import Child
from tests.faults.story import Story
from tests.faults.ways import at, during, ending, with_options
from tests.faults.wiring import PROJECT

#: More than any client tries.
_FOR_EVER: Final = 10_000
_STORAGE_STATUSES: Final = (429, 500, 503)
_REFUSALS: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


def unavailable(boundary: Boundary, rng: Random) -> Plan:
    """F5: refused a few times, or for longer than the process tries."""
    times = rng.choice((1, 2, _FOR_EVER))
    if boundary.name in ("S1", "S3", "S4", "S18", "S19"):
        return _database_refuses(boundary, rng, min(times, 4))
    if boundary.name == "S2" or (boundary.stage and boundary.name != "S17"):
        return _storage_refuses(boundary, rng, times)
    if boundary.name == "S17":
        cut = _then_cut(refusals=rng.choice((0, 1, 3)))
        return _proxied(at(boundary, rng, "before", deed=cut, only=("stage.finish",)))
    method = {"S5": "Publish", "S6": "RunJob", "S7": rng.choice(("Pull", "Acknowledge"))}
    status = rng.choice(_REFUSALS)
    if boundary.name == "S7":
        # Every pull that fails costs the worker a pause.
        times = 1
    return _calls_fail(boundary, rng, method[boundary.name], status, min(times, 3))


def unheard(boundary: Boundary, rng: Random) -> Plan:
    """F6: the effect is there, but whoever caused it sees an error."""
    if boundary.name == "S2":
        return during(boundary, rng, before=_set_storage("cut_replies", 1), after=_replies_were_cut)
    if boundary.stage:
        # The question before the write and the write itself: both answers are lost.
        effects = ("artifact.write", "export.write")
        lose = _deed(_set_storage("cut_replies", rng.choice((2, 3))))
        return at(boundary, rng, "before", deed=lose, only=effects, after=_replies_were_cut)
    if boundary.name in ("S5", "S6"):
        method = {"S5": "Publish", "S6": "RunJob"}[boundary.name]

        def fail(story: Story) -> None:
            _calls(story, method).fail_next(method, grpc.StatusCode.UNAVAILABLE, applied=True)

        return during(boundary, rng, before=fail, after=partial(_calls_failed, method, 1))
    return _proxied(at(boundary, rng, "before", deed=_swallow_commit, only=(boundary.commit.name,)))


def cut(boundary: Boundary, rng: Random) -> Plan:
    """F7: the connection breaks inside a transaction, which leaves nothing."""
    if boundary.name == "S18":
        return _proxied(
            during(boundary, rng, point="before:sql", nth=rng.randint(2, 6), deed=_then_cut())
        )
    only = (boundary.commit.name,)
    return _proxied(at(boundary, rng, "before", deed=_then_cut(), only=only))


def crashed_database(boundary: Boundary, rng: Random) -> Plan:
    """F13: Postgres dies by SIGKILL, and is back at once or only after the process gave up."""
    at_once = rng.random() < 0.5

    def crash(story: Story, child: Child) -> None:
        story.world.stop_postgres()
        if at_once:
            story.world.start_postgres()

    def restart(story: Story) -> None:
        story.world.start_postgres()

    if boundary.name == "S18":
        return during(
            boundary, rng, point="before:sql", nth=rng.randint(1, 6), deed=crash, after=restart
        )
    when = rng.choice(("before", "after"))
    return at(boundary, rng, when, deed=crash, after=restart)


def purged(boundary: Boundary, rng: Random) -> Plan:
    """F18: the message is gone, and the sweep rings again."""
    if boundary.name == "S5":

        def purge(story: Story, child: Child) -> None:
            for kind in ("work", "doorbell"):
                story.world.pubsub.purge(f"heimdex-media-{kind}")

        return at(
            boundary,
            rng,
            "after",
            deed=purge,
            only=("outbox.publish",),
            expect=ending(boundary, rounds=1),
        )
    lane = rng.choice(LANES)
    kind = "doorbell" if boundary.name == "S6" else "work"

    def lose(story: Story) -> None:
        name = f"projects/{PROJECT}/subscriptions/heimdex-{lane}-{kind}"
        story.world.pubsub.faults.deliveries.lose_next(name)

    once = ending(boundary, claims=0, repeats=0, rounds=1)
    return during(boundary, rng, setup=lose, expect=once)


def event_lost(boundary: Boundary, rng: Random) -> Plan:
    """F19: the sweep finds the object without its event."""
    return during(
        boundary,
        rng,
        actor="",
        setup=_set_storage("lose_events", 1),
        expect=ending(boundary, claims=0, repeats=0, rounds=1),
    )


def out_of_quota(boundary: Boundary, rng: Random) -> Plan:
    """F20: no execution can be started; nothing is lost and no attempt is burned."""
    status = rng.choice((grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.PERMISSION_DENIED))
    plan = _calls_fail(boundary, rng, "RunJob", status, rng.randint(1, 4))
    return Plan(**vars(plan) | {"expect": ending(boundary, claims=0, repeats=0)})


def _database_refuses(boundary: Boundary, rng: Random, times: int) -> Plan:
    def refuse(story: Story) -> None:
        story.world.proxy.refuse(times)

    def accept(story: Story) -> None:
        if not story.world.proxy.refused:
            story.complaints.append("no connection was refused")
        story.world.proxy.reset()

    return _proxied(during(boundary, rng, before=refuse, after=accept))


def _storage_refuses(boundary: Boundary, rng: Random, times: int) -> Plan:
    status = rng.choice(_STORAGE_STATUSES)

    def refuse(story: Story) -> None:
        story.world.storage.faults.fail_status = status
        story.world.storage.faults.fail_requests = times

    def accept(story: Story) -> None:
        if story.world.storage.faults.fail_requests == times:
            story.complaints.append("no request was refused")
        story.world.storage.faults.fail_requests = 0

    if boundary.name == "S2":
        return during(boundary, rng, before=refuse, after=accept)
    effects = ("artifact.write", "export.write")
    return at(boundary, rng, "before", deed=_deed(refuse), after=accept, only=effects)


def _calls_fail(
    boundary: Boundary, rng: Random, method: str, status: grpc.StatusCode, times: int
) -> Plan:
    def fail(story: Story) -> None:
        _calls(story, method).fail_next(method, status, times=times)

    return during(boundary, rng, before=fail, after=partial(_calls_failed, method, times))


def _calls(story: Story, method: str) -> CallFaults:
    return story.world.jobs.faults if method == "RunJob" else story.world.pubsub.faults.calls


def _calls_failed(method: str, times: int, story: Story) -> None:
    """Take back what was not used; all of it would mean that nothing failed."""
    left = 0
    while _calls(story, method).draw(method):
        left += 1
    if left == times:
        story.complaints.append(f"no {method} failed")


def _replies_were_cut(story: Story) -> None:
    if story.world.storage.faults.cut_replies:
        story.complaints.append("no reply was cut")
        story.world.storage.faults.cut_replies = 0


def _set_storage(name: str, value: int) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        setattr(story.world.storage.faults, name, value)

    return change


def _deed(step: Callable[[Story], None]) -> Deed:
    return lambda story, _: step(story)


def _then_cut(*, refusals: int = 0) -> Deed:
    def cut_all(story: Story, child: Child) -> None:
        story.world.proxy.refuse(refusals)
        story.world.proxy.cut()

    return cut_all


def _swallow_commit(story: Story, child: Child) -> None:
    story.world.proxy.swallow_commit()


def _proxied(plan: Plan) -> Plan:
    return with_options(plan, proxied=True)
