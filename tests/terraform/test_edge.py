"""One host leads to page and API, and nothing in front of it refuses what people look for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

_TEXT_FREE = "!request.path.startsWith('/v1/search') && ("
_LOOKS_INTO_TEXT = ("sqli", "xss", "lfi", "rfi", "rce")


def _resources(plan: Any, kind: str) -> list[dict[str, Any]]:
    return [
        each["values"]
        for each in _all(plan["planned_values"]["root_module"])
        if each["type"] == kind
    ]


def _all(module: Any) -> Iterator[Any]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _all(child)


@pytest.fixture
def balanced(plan: Any) -> Any:
    """The plan of an environment with a domain of its own."""
    if _resources(plan, "google_firebase_hosting_version"):
        pytest.skip("this environment is behind Firebase Hosting")
    return plan


@pytest.fixture
def rules(balanced: Any) -> dict[int, Any]:
    """Cloud Armor's rules by priority."""
    (policy,) = _resources(balanced, "google_compute_security_policy")
    return {rule["priority"]: rule for rule in sorted(policy["rule"], key=lambda r: r["priority"])}


def _expression(rule: Any) -> str:
    expression = rule["match"][0]["expr"]
    return str(expression[0]["expression"]) if expression else ""


def test_hosting_tries_search_first(plan: Any) -> None:
    """Firebase Hosting takes the first rule that fits, so the narrowest path comes first."""
    versions = _resources(plan, "google_firebase_hosting_version")
    if not versions:
        pytest.skip("this environment is behind a load balancer")
    rewrites = versions[0]["config"][0]["rewrites"]
    patterns = [each["regex"] or each["glob"] for each in rewrites]
    assert patterns == ["^/v1/search(/.*)?$", "^/v1(/.*)?$", "**"]
    services = [each["run"][0]["service_id"] for each in rewrites]
    assert services == ["heimdex-search", "heimdex-api", "heimdex-api"]


def test_plain_http_only_redirects(balanced: Any) -> None:
    """Port 80 has no backend behind it."""
    maps = {each["name"]: each for each in _resources(balanced, "google_compute_url_map")}
    redirect = maps["heimdex-redirect"]["default_url_redirect"][0]
    assert redirect["https_redirect"]
    assert not maps["heimdex-redirect"].get("default_service")
    ports = {each["name"]: each["port_range"] for each in _forwarding(balanced)}
    assert ports == {"heimdex-https": "443", "heimdex-redirect": "80"}


def _forwarding(plan: Any) -> list[dict[str, Any]]:
    return _resources(plan, "google_compute_global_forwarding_rule")


def test_who_lets_pass_comes_after_who_refuses(rules: dict[int, Any]) -> None:
    """A rule that lets a request pass is the last that is tried."""
    actions = [rule["action"] for rule in rules.values()]
    assert actions == sorted(actions, key=["deny(403)", "throttle", "allow"].index)
    assert actions.count("throttle") == 2


def test_no_pattern_reads_what_people_type(rules: dict[int, Any]) -> None:
    """Patterns of code in text see no search and no body: no sentence looks like an attack."""
    checked = 0
    for rule in rules.values():
        expression = _expression(rule)
        if any(f"'{name}-v33" in expression for name in _LOOKS_INTO_TEXT):
            assert expression.startswith(_TEXT_FREE)
            assert "POST" not in expression
            checked += 1
    assert checked == 2


def test_long_bodies_and_floods_are_refused(rules: dict[int, Any]) -> None:
    """A body that no route takes, and more requests from one address than people make."""
    assert "> 65536" in _expression(rules[1000])
    searches, requests = (rule for rule in rules.values() if rule["action"] == "throttle")
    assert "/v1/search" in _expression(searches)
    for rule in (searches, requests):
        options = rule["rate_limit_options"][0]
        assert options["enforce_on_key"] == "IP"
        assert options["exceed_action"] == "deny(429)"


def test_every_backend_is_behind_the_policy(balanced: Any) -> None:
    """No backend is reached without Cloud Armor, and no function past the load balancer."""
    configured = list(_configured(balanced["configuration"]["root_module"]))
    backends = [each for each in configured if each["type"] == "google_compute_backend_service"]
    assert backends
    for backend in backends:
        references = backend["expressions"]["security_policy"]["references"]
        assert "google_compute_security_policy.this" in references
    functions = {
        each["name"]: each["service_config"][0]["ingress_settings"]
        for each in _resources(balanced, "google_cloudfunctions2_function")
    }
    for name in ("heimdex-api", "heimdex-search"):
        assert functions[name] == "ALLOW_INTERNAL_AND_GCLB"


def _configured(module: Any) -> Iterator[Any]:
    yield from module.get("resources", ())
    for call in module.get("module_calls", {}).values():
        yield from _configured(call["module"])


def test_no_log_holds_what_people_look_for(plan: Any) -> None:
    """Neither the load balancer nor Cloud Run logs the addresses of searches."""
    for backend in _resources(plan, "google_compute_backend_service"):
        assert backend["log_config"][0]["enable"] == (backend["name"] != "heimdex-search")
    (exclusion,) = _resources(plan, "google_logging_project_exclusion")
    assert 'service_name="heimdex-search"' in exclusion["filter"]
    assert 'log_id("run.googleapis.com/requests")' in exclusion["filter"]
