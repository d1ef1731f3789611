"""Topics and subscriptions of an environment are those of the local cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from local import topology
from local.pubsub.declare import SubscriptionPlan
from tests.terraform.grants import resources

_URLS = {"start_jobs": "start-jobs", "dead_letter": "dead-letter", "build_export": "build-export"}


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], dict[str, SubscriptionPlan]]:
    """What a laptop's cloud declares."""
    found: list[tuple[Sequence[str], Sequence[SubscriptionPlan]]] = []

    def record(
        endpoint: str, project: str, *, topics: Any, subscriptions: Sequence[SubscriptionPlan]
    ) -> None:
        found.append((topics, subscriptions))

    monkeypatch.setattr(topology, "declare", record)
    topology.declare_topology("", project="", **{f"{name}_url": url for name, url in _URLS.items()})
    [(topics, subscriptions)] = found
    return set(topics), {plan.name: plan for plan in subscriptions}


def test_same_topics(plan: Any, declared: Any) -> None:
    """Nobody publishes to a topic that is not there."""
    topics, _ = declared
    assert {topic["name"] for topic in _of(plan, "google_pubsub_topic")} == topics


def test_same_subscriptions(plan: Any, declared: Any) -> None:
    """Every subscription pushes to the same function, with dead letters after as many attempts."""
    _, plans = declared
    found = {s["name"]: s for s in _of(plan, "google_pubsub_subscription")}
    assert found.keys() == plans.keys()
    for name, subscription in found.items():
        expected = plans[name]
        policy = subscription["dead_letter_policy"]
        assert bool(policy) == bool(expected.dead_letter_topic), name
        if policy:
            assert policy[0]["max_delivery_attempts"] == expected.max_delivery_attempts
        assert bool(subscription["push_config"]) == bool(expected.push_endpoint), name
        assert subscription["ack_deadline_seconds"] >= expected.ack_deadline_s
        assert subscription["expiration_policy"][0]["ttl"] == "", "it would expire"


def test_pushes_carry_one_identity(plan: Any) -> None:
    """Every push has a token of the identity that may invoke what it is pushed to."""
    pushed = [s["push_config"] for s in _of(plan, "google_pubsub_subscription") if s["push_config"]]
    project = plan["variables"]["project_id"]["value"]
    senders = {config[0]["oidc_token"][0]["service_account_email"] for config in pushed}
    assert senders == {f"heimdex-push@{project}.iam.gserviceaccount.com"}


def _of(plan: Any, kind: str) -> list[dict[str, Any]]:
    return [resource["values"] for resource in resources(plan) if resource["type"] == kind]
