"""A person takes everything along and leaves; an operator looks whether anything stayed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from local.admin import operator_environment
from local.client import ApiError, Client, sign_in
from local.cloud import Cloud
from local.functions import REPOSITORY
from tests.e2e.conftest import INDEX_TIMEOUT_S, index
from tests.media import write_clip

pytestmark = pytest.mark.xdist_group("e2e")

_BUCKETS = ("heimdex-local-uploads", "heimdex-local-artifacts")


def _eventually(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + INDEX_TIMEOUT_S
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.5)
    return found


def _admin(cloud: Cloud, *arguments: str) -> tuple[int, Any]:
    """The operator's command line, in a process of its own: exit status and answer."""
    done = subprocess.run(
        [sys.executable, "-m", "gpu_jobs.admin", *arguments, "--json"],
        cwd=REPOSITORY,
        env=operator_environment(cloud.logs.parent),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_person_takes_everything_along_and_leaves(cloud: Cloud, tmp_path: Path) -> None:
    """Export, delete the account: no object stays, and nobody can sign in to it again."""
    endpoints = cloud.address.endpoints
    email, password = f"{uuid4().hex}@example.com", "a password for tests"
    client = Client(endpoints, sign_in(endpoints, email, password))
    video = tmp_path / "birthday.mp4"
    write_clip(video, shots_ms=(1500, 1500))
    video_id = index(client, video)

    export_id = client.request_export()
    export = _eventually(
        lambda: (found := client.export(export_id))["state"] == "ready" and found,
        "the archive was not built",
    )
    archive = requests.get(export["download"]["url"], timeout=30)
    assert archive.status_code == 200
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        exported = json.loads(opened.read(f"videos/{video_id}.json"))
    assert [scene["id"] for scene in exported["scenes"]] == [
        scene["id"] for scene in client.scenes(video_id)
    ]

    status, told = _admin(cloud, "explain", video_id)
    assert status == 0
    assert [run["state"] for run in told["runs"]] == ["done", "done"]
    user_id = told["video"]["user_id"]
    status, told = _admin(cloud, "residue", user_id)
    assert status == 5
    assert {*_BUCKETS, "scenes.user_id"} < {trace["place"] for trace in told["residue"]}

    client.delete_account()
    with pytest.raises(ApiError, match="unauthenticated"):
        client.delete_account()

    def left() -> set[str]:
        _, told = _admin(cloud, "residue", user_id)
        return {trace["place"] for trace in told["residue"]}

    _eventually(lambda: not {*_BUCKETS, "scenes.user_id"} & left(), "something stayed")
    accounts = f"{endpoints.identity_url}/identitytoolkit.googleapis.com/v1/accounts"

    def refused() -> bool:
        answer = requests.post(
            f"{accounts}:signInWithPassword",
            params={"key": "local"},
            json={"email": email, "password": password},
            timeout=30,
        )
        return answer.status_code == 400

    _eventually(refused, "the account can still sign in")
