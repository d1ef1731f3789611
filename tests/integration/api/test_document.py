"""The document that is served, the error codes it points to, and the function as deployed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from common.errors import CODES
from functions.api.meta import OPENAPI_PATH
from local import openapi
from tests.conftest import TestDatabase
from tests.integration.api.world import ApiClient

_ROOT = Path(__file__).parents[3]


def test_the_committed_document_is_what_the_code_says() -> None:
    """`python -m local.openapi` makes it; it covers the search function too."""
    assert OPENAPI_PATH.read_text(encoding="utf-8") == openapi.rendered()
    OpenAPIV31SpecValidator(json.loads(openapi.rendered())).validate()


def test_a_stale_document_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` fails, says what to do and writes nothing."""
    stale = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "OPENAPI_PATH", stale)
    monkeypatch.setattr(sys, "argv", ["openapi", "--check"])
    assert openapi.main() == 1
    assert "python -m local.openapi" in capsys.readouterr().err
    assert not stale.exists()
    monkeypatch.setattr(sys, "argv", ["openapi"])
    assert openapi.main() == 0
    monkeypatch.setattr(sys, "argv", ["openapi", "--check"])
    assert openapi.main() == 0


def test_the_document_is_served_to_everyone(anonymous: ApiClient) -> None:
    """As committed."""
    served = anonymous.get("/v1/openapi.json")
    assert served.json == json.loads(OPENAPI_PATH.read_text(encoding="utf-8"))
    assert (
        anonymous.get(
            "/v1/openapi.json", headers={"If-None-Match": served.headers["ETag"]}
        ).status_code
        == 304
    )


def test_every_problem_type_leads_to_its_description(anonymous: ApiClient) -> None:
    """The `type` of a problem is an address that answers."""
    assert anonymous.get("/v1/nothing").json["type"] == "/v1/problems/not_found"
    for code in CODES:
        described = anonymous.get(f"/v1/problems/{code}").json
        assert described["messages"] == {"en": CODES[code].en, "ko": CODES[code].ko}
    assert anonymous.get("/v1/problems/no_such_code").status_code == 404


def test_the_function_says_that_it_answers(anonymous: ApiClient) -> None:
    """Without a token and without a database."""
    assert anonymous.get("/v1/healthz").json == {"status": "ok"}


def test_a_lost_database_is_unavailable_and_comes_back(
    client: ApiClient, database: TestDatabase
) -> None:
    """503 with Retry-After while it is gone, and normal answers afterwards."""
    assert client.get("/v1/videos").status_code == 200
    database.postgres.execute(f'ALTER DATABASE "{database.name}" WITH ALLOW_CONNECTIONS false')
    database.postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'"
    )
    refused = client.get("/v1/videos")
    assert (refused.status_code, refused.json["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"]
    database.postgres.execute(f'ALTER DATABASE "{database.name}" WITH ALLOW_CONNECTIONS true')
    assert client.get("/v1/videos").status_code == 200
