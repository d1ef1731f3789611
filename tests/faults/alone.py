"""Durable effects of commands that run by themselves: mirroring models, migrating, tiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy

from common import model_mirror
from common.sql.migrate import upgrade
from tests.faults.performance import Performance
from tests.faults.plan import Plan
from tests.faults.wiring import ARTIFACTS
from tests.faults.world import World

_FILES: Final = {"query/model.onnx": b"weights", "gpu/model.onnx": b"more weights"}


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, and what must be true however often it was begun."""

    role: str
    effects: tuple[str, ...]


COMMANDS: Final = (
    Command(role="mirror", effects=("models.upload", "models.manifest")),
    Command(role="migrate", effects=("schema.upgrade",)),
    Command(role="tier", effects=("tier.change",)),
)


def run(world: World, command: Command, point: str) -> list[str]:
    """Kill the command at a point, begin it again, and look at what it left."""
    request = _REQUESTS[command.role](world)
    hit = _start(world, command.role, request, point) == -9
    complaints = [] if hit else ["the fault did not happen"]
    if (code := _start(world, command.role, request, "")) != 0:
        complaints.append(f"the second try ended with {code}")
    return [*complaints, *_CHECKS[command.role](world, request)]


def _start(world: World, role: str, request: dict[str, Any], point: str) -> int:
    performance = Performance(world, role, request, {}, Plan(actor=role, point=point))
    for _ in performance.stops():
        raise AssertionError("nothing is to stop here")
    return performance.code


def _mirror_request(world: World) -> dict[str, Any]:
    root = world.directory / f"models-{uuid4().hex}"
    for name, data in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return {"root": str(root), "paths": list(_FILES), "name": f"version-{uuid4().hex}"}


def _mirrored(world: World, request: dict[str, Any]) -> Iterator[str]:
    target = world.directory / f"fetched-{uuid4().hex}"
    model_mirror.pull(world.store, ARTIFACTS, request["name"], target)
    for name, data in _FILES.items():
        if Path(target, name).read_bytes() != data:
            yield f"{name} is not what was mirrored"
    for prefix in ("files/", "manifests/"):
        world.store.delete_prefix(ARTIFACTS, prefix, effect="test.forget")


def _migrate_request(world: World) -> dict[str, Any]:
    name = f"migrated_{uuid4().hex}"
    world.postgres.create_database(name)
    return {"url": world.postgres.url(name), "database": name}


def _migrated(world: World, request: dict[str, Any]) -> Iterator[str]:
    engine = sqlalchemy.create_engine(request["url"], poolclass=sqlalchemy.NullPool)
    # Nothing is left to do, and nothing is there twice.
    upgrade(engine)
    with engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT count(*) FROM information_schema.tables WHERE table_name = 'runs'"
        ).scalar_one()
        revisions = connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one()
    if (tables, revisions) != (1, 1):
        yield f"{tables} tables of runs, {revisions} revisions"
    world.postgres.drop_database(request["database"])


def _tier_request(world: World) -> dict[str, Any]:
    user_id = uuid4()
    world.rows(
        "INSERT INTO users (id, firebase_uid) VALUES (:id, :uid)", id=user_id, uid=user_id.hex
    )
    return {"user_id": str(user_id), "tier": "pro"}


def _tier_changed(world: World, request: dict[str, Any]) -> Iterator[str]:
    user_id = UUID(request["user_id"])
    (user,) = world.rows("SELECT tier FROM users WHERE id = :id", id=user_id)
    if user.tier != request["tier"]:
        yield f"the tier is {user.tier}"
    events = world.rows("SELECT action, code FROM audit_events WHERE user_id = :id", id=user_id)
    if [tuple(event) for event in events] != [("tier.changed", request["tier"])]:
        yield f"on record are {events}"
    world.forget(user_id)


_REQUESTS: Final[Mapping[str, Any]] = {
    "mirror": _mirror_request,
    "migrate": _migrate_request,
    "tier": _tier_request,
}
_CHECKS: Final[Mapping[str, Any]] = {
    "mirror": _mirrored,
    "migrate": _migrated,
    "tier": _tier_changed,
}
