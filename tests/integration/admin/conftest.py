"""The operator's command line on a real database and the Pub/Sub stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from common.bus import Bus
from common.config import Settings
from common.domain import LANES
from gpu_jobs.admin.command import main
from local.pubsub import PubSubServer, SubscriptionPlan, declare
from tests.conftest import TestDatabase, settings

PROJECT = "heimdex-test"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The object on standard output."""
        return json.loads(self.out)


Admin = Callable[..., Shown]


@pytest.fixture(scope="session")
def pubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The lanes' topics, each with the workers' subscription; the endpoint."""
    with PubSubServer(tmp_path_factory.mktemp("pubsub"), project=PROJECT) as server:
        topics = [f"heimdex-{lane}" for lane in LANES]
        work = [SubscriptionPlan(name=f"{topic}-work", topic=topic) for topic in topics]
        declare(server.endpoint, PROJECT, topics=topics, subscriptions=work)
        yield server.endpoint


@pytest.fixture
def bus(pubsub: str) -> Iterator[Bus]:
    """What workers pull from, emptied."""
    with Bus.connect(settings(pubsub_endpoint=pubsub)) as connected:
        for lane in LANES:
            while (left := connected.pull(f"heimdex-{lane}-work", wait_s=0.2)) is not None:
                connected.ack(f"heimdex-{lane}-work", left, effect="test.ack")
        yield connected


@pytest.fixture
def admin(
    database: TestDatabase,
    pubsub: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Admin:
    """Runs a command as an operator would."""
    told: dict[str, Any] = {
        "database_url": database.url("heimdex_operator"),
        "pubsub_endpoint": pubsub,
    }

    def load() -> Settings:
        return settings(**told)

    monkeypatch.setattr("gpu_jobs.admin.command.load", load)

    def run(*arguments: str, **changes: object) -> Shown:
        told.update(changes)
        capsys.readouterr()
        status = main(list(arguments))
        out, err = capsys.readouterr()
        return Shown(status=status, out=out, err=err)

    return run
