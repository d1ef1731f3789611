"""Each bundle serves out of its own folder, with only its own requirements."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from local import bundles
from local.functions import FunctionProcess
from tests.conftest import TestDatabase
from tests.integration.bundles.conftest import environment

_TIMEOUT_S = 60
_EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "//storage.googleapis.com/projects/_/buckets/uploads",
    "Content-Type": "application/json",
}


def _push(process: FunctionProcess, data: bytes) -> requests.Response:
    message = {"messageId": "m-1", "data": base64.b64encode(data).decode(), "attributes": {}}
    body = {"message": message, "subscription": "projects/p/subscriptions/s"}
    return requests.post(process.url, json=body, timeout=_TIMEOUT_S)


def _log(process: FunctionProcess, tmp_path: Path) -> list[Any]:
    lines = (tmp_path / f"{process.spec.name}.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_every_bundle_answers(
    served: dict[str, FunctionProcess], database: TestDatabase, tmp_path: Path
) -> None:
    """Requests, pushes and CloudEvents, as they come; the dead letter is in the ledger."""
    api = requests.get(f"{served['api'].url}/v1/healthz", timeout=_TIMEOUT_S)
    assert (api.status_code, api.json()) == (200, {"status": "ok"})
    document = requests.get(f"{served['api'].url}/v1/openapi.json", timeout=_TIMEOUT_S)
    assert document.json()["openapi"].startswith("3.1")
    for name, path in (("api", "/v1/videos"), ("search", "/v1/search?q=x")):
        refused = requests.get(served[name].url + path, timeout=_TIMEOUT_S)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["Content-Type"] == "application/problem+json"

    assert _push(served["dead_letter"], b"{}").status_code == 204
    assert [row[0] for row in database.owner_rows("SELECT id FROM dead_letters")] == ["m-1"]

    # What cannot be read is taken and logged: pushing it again would not mend it.
    for name in ("start_jobs", "build_export"):
        answer = requests.post(served[name].url, data=b"not a push", timeout=_TIMEOUT_S)
        assert answer.status_code == 204
        assert "push.invalid" in [each["action"] for each in _log(served[name], tmp_path)]

    url = served["upload_finalized"].url
    unwanted = {**_EVENT, "ce-type": "google.cloud.storage.object.v1.deleted"}
    answer = requests.post(url, json={}, headers=unwanted, timeout=_TIMEOUT_S)
    assert answer.status_code == 200
    assert "event.unwanted" in [
        each["action"] for each in _log(served["upload_finalized"], tmp_path)
    ]
    # Not an event at all.
    assert requests.post(url, json={}, timeout=_TIMEOUT_S).status_code == 400


@pytest.mark.parametrize(
    ("name", "taken", "said"),
    [
        ("api", "HEIMDEX_PROJECT", "missing or wrong: HEIMDEX_PROJECT"),
        ("search", "HEIMDEX_TOKEN_KEY", "HEIMDEX_TOKEN_KEY"),
        ("api", "FIREBASE_AUTH_EMULATOR_HOST", "must not be set on Cloud Run"),
    ],
)
def test_a_bundle_that_is_configured_wrongly_does_not_start(
    staged: dict[str, bundles.Bundle],
    interpreters: dict[str, Path],
    name: str,
    taken: str,
    said: str,
) -> None:
    """Without a setting it needs, or with one that switches checks off; it says which."""
    variables = environment(name, "postgresql+pg8000://nobody@127.0.0.1:1/none")
    if taken in variables:
        del variables[taken]
    else:
        variables[taken] = "127.0.0.1:1"
    done = subprocess.run(
        [interpreters[name], "-c", "import main"],
        cwd=staged[name].folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.deep
@pytest.mark.parametrize("name", bundles.FUNCTIONS)
def test_the_index_has_the_requirements(
    staged: dict[str, bundles.Bundle], tmp_path: Path, name: str
) -> None:
    """Installed as the buildpack does it: resolved, hashed, checked; then it is imported."""
    python = tmp_path / "bin" / "python"
    subprocess.run(["python3", "-m", "venv", tmp_path], check=True)
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    requirements = staged[name].folder / "requirements.txt"
    subprocess.run([*pip, "install", "--requirement", requirements], check=True)
    subprocess.run([*pip, "check"], check=True)
    subprocess.run(
        [python, "-c", "import main"],
        cwd=staged[name].folder,
        env=environment(name, "postgresql+pg8000://nobody@127.0.0.1:1/none"),
        check=True,
    )
