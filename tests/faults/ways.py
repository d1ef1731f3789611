"""What the kinds of faults share: where, how it ends, and deeds of one line."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from tests.faults.boundaries import Boundary, Effect
from tests.faults.plan import Deed, Expect, Plan

#: Effects of the second half of a deletion, which the sweep does.
_SWEPT = (Effect(name="erasure.delete"), Effect(name="erasure.finish"))


def at(
    boundary: Boundary,
    rng: Random,
    when: str,
    *,
    deed: Deed | None = None,
    only: tuple[str, ...] = (),
    **more: Any,
) -> Plan:
    """A fault before or after one of the boundary's effects.

    Args:
        boundary: where.
        rng: chooses among the effects.
        when: "before" or "after".
        deed: what happens there; SIGKILL by default.
        only: names of effects to choose among; all by default.
        **more: further fields of the plan.
    """
    actor, effects = boundary.actor, boundary.effects
    if boundary.name == "S19" and not only and rng.random() < 0.5:
        actor, effects = "sweep", _SWEPT
    chosen = rng.choice([x for x in effects if not only or x.name in only])
    if boundary.name == "S7":
        actor = rng.choice(("media", "gpu"))
    fields: dict[str, Any] = {
        "actor": actor,
        "point": f"{when}:{chosen.name}",
        "nth": chosen.nth,
        "deed": deed,
        "expect": ending(boundary),
        "errands": errands(boundary),
    }
    return Plan(**fields | more)


def during(boundary: Boundary, rng: Random, **more: Any) -> Plan:
    """A fault for the whole of the actor's process."""
    actor = rng.choice(("media", "gpu")) if boundary.name == "S7" else boundary.actor
    fields: dict[str, Any] = {
        "actor": actor,
        "expect": ending(boundary),
        "errands": errands(boundary),
    }
    return Plan(**fields | more)


def errands(boundary: Boundary) -> frozenset[str]:
    """What the user does besides uploading, so that the story comes to the boundary."""
    return frozenset({"delete"} if boundary.name == "S19" else ())


def ending(boundary: Boundary, **more: Any) -> Expect:
    """How a story that survives its fault ends: at most the rows at hand are made again."""
    state = "deleted" if boundary.name == "S19" else "indexed"
    fields: dict[str, Any] = {"state": state, "repeats": boundary.rows}
    return Expect(**fields | more)


def expecting(plan: Plan, **changes: Any) -> Plan:
    """The plan with another ending."""
    return replace(plan, expect=replace(plan.expect, **changes))


def with_options(plan: Plan, **options: Any) -> Plan:
    """The plan with more options of the actor's process."""
    return replace(plan, options={**plan.options, **options})
