"""The roles of a story: what each process does when it is asked.

Each role takes a wiring and a request of plain values and returns plain values, so that it can run
in the harness itself or in a forked child.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

import requests
import sqlalchemy
from cloudevents.http import from_http

import gpu_jobs.main
from common import log
from common.effects import effect
from common.model_mirror import push
from common.quotas import tiers
from common.sql.migrate import upgrade
from common.storage import ObjectStore
from functions.build_export import main as build_export
from functions.dead_letter import main as dead_letter
from functions.start_jobs import main as start_jobs
from functions.upload_finalized import main as upload_finalized
from gpu_jobs.admin import command
from tests.faults.wiring import ARTIFACTS, PROJECT, Wiring


def call_api(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """One HTTP request of a user to the API (or, below /v1/search, to search)."""
    app = wiring.search if request["path"].startswith("/v1/search") else wiring.api
    headers = {"Authorization": f"Bearer {request['uid']}", **request.get("headers", {})}
    with effect("request.answer"):
        answer = app.test_client().open(
            request["path"], method=request["method"], json=request.get("body"), headers=headers
        )
    return {
        "status": answer.status_code,
        "retry_after": answer.headers.get("Retry-After", ""),
        "body": answer.get_json(silent=True),
    }


def put_object(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """A client sends a file to a signed URL."""
    with effect("client.put"):
        try:
            answer = requests.put(
                request["url"],
                data=request["data"].encode(),
                headers=request["headers"],
                timeout=20,
            )
        except requests.RequestException as error:
            return {"status": 0, "error": type(error).__name__}
    return {"status": answer.status_code}


def take_event(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """`upload_finalized` as the functions framework calls it; a raised error is status 500."""
    event = from_http(request["headers"], request["body"])
    with effect("event.answer"):
        upload_finalized.handle(event.get_data(), "", wiring.finalized)
    return {"status": 204}


def take_push(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """`start_jobs` with the body that Pub/Sub pushed."""
    with effect("push.answer"):
        answer: Any = start_jobs.start_jobs(_pushed(request))
    return {"status": answer.status_code}


def take_letter(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """`dead_letter` with the body that Pub/Sub pushed."""
    answer: Any = dead_letter.dead_letter(_pushed(request))
    return {"status": answer.status_code}


def build(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """`build_export` with the body that Pub/Sub pushed.

    If asked to, it knocks at a door of the harness before it stores the archive.
    """
    with ExitStack() as patches:
        if request.get("knocks", False):
            store = _knocking(f"{wiring.endpoints.doors}meanwhile")
            patches.enter_context(mock.patch.object(ObjectStore, "upload", store))
        answer: Any = build_export.build_export(_pushed(request))
    return {"status": answer.status_code}


def _pushed(request: dict[str, Any]) -> Any:
    return SimpleNamespace(get_data=lambda: request["body"].encode())


def _knocking(door: str) -> Any:
    upload = ObjectStore.upload

    def knock_and_upload(*arguments: Any, **options: Any) -> Any:
        requests.post(door, data=b"", timeout=20)
        return upload(*arguments, **options)

    return knock_and_upload


def operate(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """An operator's command: `python -m gpu_jobs.admin`."""
    said = io.StringIO()
    # Its log is not to become the harness's.
    with mock.patch.object(log, "configure"), redirect_stdout(said):
        status = command.main([*request["arguments"], "--json"])
    return {"status": status, "body": json.loads(said.getvalue())}


def change_tier(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """`python -m common.quotas.tiers`, by whoever owns the tables."""
    return {"code": tiers.main([request["user_id"], request["tier"]])}


def work(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """An execution of a lane's job: the worker's own main, on the stub pipeline."""
    worker = wiring.worker(request["lane"])
    if request.get("supervised", False):
        return {"code": gpu_jobs.main.supervise(worker)}
    worker.run()
    return {"code": 0}


def mirror(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """`gpu_jobs.models.mirror`, on files that are no models."""
    store = ObjectStore.connect(wiring.settings("heimdex_worker"))
    root = Path(request["root"])
    return {"files": push(store, ARTIFACTS, request["name"], root, request["paths"])}


def migrate(wiring: Wiring, request: dict[str, Any]) -> dict[str, Any]:
    """`common.sql.migrate` on a database of its own."""
    upgrade(sqlalchemy.create_engine(request["url"], poolclass=sqlalchemy.NullPool))
    return {}


#: Role → what it does.
ROLES: Final[Mapping[str, Callable[[Wiring, dict[str, Any]], dict[str, Any]]]] = {
    "api": call_api,
    "client": put_object,
    "finalize": take_event,
    "dispatch": take_push,
    "letter": take_letter,
    "build": build,
    "operate": operate,
    "tier": change_tier,
    "work": work,
    "mirror": mirror,
    "migrate": migrate,
}


def push_body(subscription: str, data: str = "") -> str:
    """What Pub/Sub sends to a push endpoint; `data` is base64."""
    name = f"projects/{PROJECT}/subscriptions/{subscription}"
    return json.dumps({"message": {"data": data, "attributes": {}}, "subscription": name})
