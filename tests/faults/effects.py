"""Every named effect, and a story in which it happens, so that each can be killed at.

A new effect needs no entry when an existing story passes it. When none does, `make faults` says so
and fails: give it a scenario here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.faults import enrolment
from tests.faults.plan import Expect, Plan
from tests.faults.processes import REPOSITORY
from tests.faults.story import Story
from tests.faults.wiring import ARTIFACTS, PROJECT

_PRODUCTION: Final = ("common", "functions", "gpu_jobs")
#: Effects of the tests' own roles.
OWN: Final = frozenset({"client.put", "event.answer", "push.answer", "request.answer"})
#: Generous: what is made again after a kill is bounded in the matrix.
_REPEATS: Final = 8
#: More than any client tries.
_FOR_EVER: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Point:
    """An effect in a scenario, and who has it there."""

    scenario: str
    actor: str
    effect: str


def names() -> frozenset[str]:
    """Every name that the production code gives to an effect."""
    found = set()
    for part in _PRODUCTION:
        for path in sorted((REPOSITORY / part).rglob("*.py")):
            found |= set(_names_in(path))
    return frozenset(found)


def _names_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == "effect" and isinstance(keyword.value, ast.Constant):
                yield from _text(keyword.value)
        if isinstance(node.func, ast.Name) and node.func.id == "effect" and node.args:
            yield from _text(node.args[0])


def _text(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _damage_input(story: Story) -> None:
    (row,) = story.world.rows(
        "SELECT artifact_key FROM jobs WHERE user_id = :id AND stage = 'audio_extract'",
        id=story.user_id,
    )
    story.world.store.write(
        ARTIFACTS, row.artifact_key, b"torn", content_type="application/zip", effect="test.damage"
    )


def _send_garbage(story: Story) -> None:
    story.world.bus.publish("heimdex-media", b"\xff not json", {}, effect="test.publish")


def _lose_message(story: Story) -> None:
    name = f"projects/{PROJECT}/subscriptions/heimdex-media-work"
    story.world.pubsub.faults.deliveries.lose_next(name)


def _leave_archive(story: Story) -> None:
    """As a builder does that dies after it stored the archive."""
    (row,) = story.world.rows("SELECT id FROM exports WHERE user_id = :id", id=story.user_id)
    name = f"exports/{story.user_id}/{row.id}/0.zip"
    story.world.store.write(
        ARTIFACTS, name, b"half", content_type="application/zip", effect="test.leave"
    )


def _refuse_storage(story: Story) -> None:
    story.world.storage.faults.fail_requests = _FOR_EVER


def _accept_storage(story: Story) -> None:
    story.world.storage.faults.fail_requests = 0


def _behaving(stage: str, what: str, **more: Any) -> dict[str, Any]:
    return {"behaviour": {stage: what}, **more}


def _plan(**fields: Any) -> Plan:
    return Plan(**{"expect": Expect(repeats=_REPEATS)} | fields)


#: Stories that differ in what happens by themselves, and who is concerned; the plain one first.
SCENARIOS: Final[Mapping[str, Plan]] = {
    "index": _plan(errands=frozenset({"extend", "rename"})),
    "delete": _plan(
        errands=frozenset({"delete"}), expect=Expect(state="deleted", repeats=_REPEATS)
    ),
    "export": _plan(
        errands=frozenset({"export"}), expect=Expect(exports=("ready",), repeats=_REPEATS)
    ),
    "build again": _plan(
        actor="builder",
        before=_leave_archive,
        errands=frozenset({"export"}),
        expect=Expect(exports=("ready",), repeats=_REPEATS),
    ),
    "build later": _plan(
        actor="builder",
        before=_refuse_storage,
        after=_accept_storage,
        errands=frozenset({"export"}),
        expect=Expect(exports=("ready",), repeats=_REPEATS),
    ),
    "build in vain": _plan(
        actor="builder",
        options={"request": {"knocks": True}},
        meanwhile=Story.delete,
        errands=frozenset({"export"}),
        expect=Expect(state="deleted", exports=("ready",), repeats=_REPEATS),
    ),
    "forget": _plan(
        setup=_send_garbage,
        errands=frozenset({"export", "outlive"}),
        expect=Expect(repeats=_REPEATS, buried=1, letters_forgotten=True),
    ),
    "keep": _plan(errands=frozenset({"expire"}), expect=Expect(state="deleted", repeats=_REPEATS)),
    "leave": _plan(
        errands=frozenset({"export", "leave"}), expect=Expect(state="gone", repeats=_REPEATS)
    ),
    "enrol": _plan(errands=frozenset({"enrol"})),
    "unlearn": _plan(
        actor="gpu",
        times=3,
        meanwhile=enrolment.delete_photo,
        errands=frozenset({"unlearn"}),
    ),
    "overdraw": _plan(errands=frozenset({"overdraw"})),
    "rerun": _plan(errands=frozenset({"rerun"})),
    "resume": _plan(errands=frozenset({"resume"}), expect=Expect(repeats=_REPEATS, buried=1)),
    "replay": _plan(
        setup=_send_garbage,
        errands=frozenset({"replay"}),
        expect=Expect(repeats=_REPEATS, buried=1),
    ),
    "start": _plan(actor="dispatch"),
    "fail": _plan(actor="gpu", options=_behaving("asr_transcribe", "transient")),
    "release": _plan(
        actor="gpu", options=_behaving("embed_text", "term", request={"supervised": True})
    ),
    "repair": _plan(actor="gpu", before=_damage_input),
    "discard": _plan(
        actor="finalize", before=Story.delete, expect=Expect(state="deleted", repeats=_REPEATS)
    ),
    "beat": _plan(actor="gpu", options=_behaving("asr_transcribe", "slow", lease_s=0.6)),
    "progress": _plan(actor="media", options=_behaving("audio_extract", "slow")),
    "ring": _plan(actor="sweep", setup=_lose_message),
    "bury": _plan(actor="media", before=_send_garbage, expect=Expect(repeats=_REPEATS, buried=1)),
    "expire": _plan(
        errands=frozenset({"abandon"}),
        expect=Expect(state="failed", code="upload_expired", repeats=_REPEATS),
    ),
}


def traced(plan: Plan) -> Plan:
    """The plan with every process a child that tells which points it passes."""
    return replace(plan, traced=True)


def killed_at(point: Point, when: str) -> Plan:
    """The scenario with a SIGKILL before or after the effect."""
    plan = SCENARIOS[point.scenario]
    if plan.actor not in ("", point.actor):
        raise ValueError(f"{point.scenario} is about {plan.actor}, not {point.actor}")
    return replace(plan, actor=point.actor, point=f"{when}:{point.effect}")


def points(scenario: str, story: Story) -> Iterator[Point]:
    """The effects that the scenario's story passed, by those who can be killed in it."""
    concerned = SCENARIOS[scenario].actor
    for actor, passed in sorted(story.trace):
        when, _, effect = passed.partition(":")
        if when == "before" and effect not in OWN and concerned in ("", actor):
            yield Point(scenario=scenario, actor=actor, effect=effect)
