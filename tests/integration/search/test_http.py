"""`/v1/search` as deployed: its main, inside functions-framework, with a stand-in for Firebase."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import flask
import functions_framework
import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

from common.database import Database
from common.errors import AuthError
from common.web import firebase, openapi
from common.web.routes import Authenticate, RequestHeaders
from functions.search import routes
from tests.integration.search.conftest import KITCHEN, Library
from tests.library import VERSION

_SOURCE = Path(__file__).parents[3] / "functions" / "search" / "main.py"
_DOCUMENT = openapi.document(routes.routes, title="Heimdex", version="0", description="")


@dataclass(frozen=True, kw_only=True)
class FakePrincipal:
    """A signed-in user."""

    user_id: UUID
    firebase_uid: str


def authenticator(database: Database) -> Authenticate:
    """Tokens are user ids."""

    def authenticate(headers: RequestHeaders, *, check_revoked: bool) -> FakePrincipal:
        match = re.fullmatch(r"Bearer ([0-9a-f-]{36})", ", ".join(headers.getlist("Authorization")))
        if match is None:
            raise AuthError("no such token")
        return FakePrincipal(user_id=UUID(match[1]), firebase_uid=match[1])

    return authenticate


class SearchClient:
    """A user's HTTP client."""

    def __init__(self, http: FlaskClient, user_id: UUID) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {user_id}"}

    def get(self, **parameters: object) -> Any:
        """GET /v1/search; what comes back on success is what the document says."""
        answer = self.ask(**parameters)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return _valid(answer)

    def ask(self, **parameters: object) -> Any:
        """GET /v1/search, whatever comes back."""
        query = urlencode(parameters, doseq=True)
        return self._http.get(f"/v1/search?{query}", headers=self._headers)

    def post(self, body: object, **parameters: object) -> Any:
        """POST /v1/search, whatever comes back."""
        query = urlencode(parameters, doseq=True)
        return self._http.post(f"/v1/search?{query}", json=body, headers=self._headers)


def _valid(answer: Any) -> Any:
    schema = {
        "$ref": "#/components/schemas/SearchResults",
        "components": _DOCUMENT["components"],
    }
    Draft202012Validator(schema).validate(answer.get_json())
    return answer.get_json()


@pytest.fixture(scope="module")
def app(shared_library: Library) -> Iterator[flask.Flask]:
    """The function; models are loaded once, as in an instance."""
    environment = {
        "HEIMDEX_PROJECT": "heimdex-test",
        "HEIMDEX_UPLOADS_BUCKET": "uploads",
        "HEIMDEX_ARTIFACTS_BUCKET": "artifacts",
        "HEIMDEX_TOKEN_KEY": "a key",
        "HEIMDEX_DATABASE_URL": shared_library.database.url("heimdex_api"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(firebase, "authenticator", authenticator)
        patch.setattr("common.index_version.index_version", lambda profile, **_: VERSION)
        app = functions_framework.create_app("search", str(_SOURCE), "http")
        # The framework imports the file under this name; the next function it loads replaces it.
        function = sys.modules["main"]
        yield app
        function._database.close()


@pytest.fixture
def client(app: flask.Flask, shared_library: Library) -> SearchClient:
    """The owner of the library."""
    return SearchClient(app.test_client(), shared_library.user_id)


def test_a_search_answers_whole(client: SearchClient, shared_library: Library) -> None:
    """One hit with everything a client needs to play, show and explain it."""
    answer = client.get(q="mind the gap")
    assert answer["nothing_found"] is False
    assert answer["next_page_token"] is None
    (hit,) = answer["hits"]
    assert hit["scene_id"] == str(shared_library.scenes["Trip"][0])
    assert (hit["video_title"], hit["start_ms"], hit["end_ms"]) == ("Trip", 0, 10_000)
    assert hit["transcript"].endswith("Please mind the gap")
    assert hit["tier"] == "strong"
    assert hit["legs"]["lexical"]["score"] == 1
    assert hit["legs"]["lexical"]["rank"] == 1
    assert [word["text"] for word in hit["matched_words"]] == ["mind", "gap"]
    assert hit["why"]["ko"].startswith("말한 내용")
    query = answer["query"]
    assert query["words"] == ["mind", "gap"]
    assert query["index_version"] == VERSION
    assert query["abstained"]["vision"] == "no_word_understood"


def test_nothing_found_is_said(client: SearchClient) -> None:
    """An honest answer, not an error."""
    answer = client.get(q="우주 비행사 zebra")
    assert answer["nothing_found"] is True
    assert answer["hits"] == []


def test_get_and_post_are_one_search(client: SearchClient) -> None:
    """The same request either way has the same answer."""
    got = client.get(
        q="train law", mode="keyword", video_id=[str(KITCHEN.video_id)], text_weight="0.8"
    )
    posted = client.post(
        {
            "q": "train law",
            "mode": "keyword",
            "video_ids": [str(KITCHEN.video_id)],
            "weights": {"text": 0.8},
        }
    )
    assert posted.status_code == 200
    assert _valid(posted) == got
    assert len(got["hits"]) == 1


def test_pages_follow_each_other(client: SearchClient) -> None:
    """A token leads to the next page, of the same search only."""
    first = client.get(q="train law", page_size=1)
    second = client.get(q="train law", page_size=1, page_token=first["next_page_token"])
    assert second["next_page_token"] is None
    both = [hit["scene_id"] for page in (first, second) for hit in page["hits"]]
    assert both == [hit["scene_id"] for hit in client.get(q="train law")["hits"]]
    other = client.ask(q="train", page_size=1, page_token=first["next_page_token"])
    assert (other.status_code, other.get_json()["code"]) == (400, "invalid_page_token")


def test_pages_of_a_posted_search_belong_to_its_body(client: SearchClient) -> None:
    """The token of one body does not open another's pages."""
    token = client.post({"q": "train law"}, page_size=1).get_json()["next_page_token"]
    second = client.post({"q": "train law"}, page_size=1, page_token=token)
    assert len(_valid(second)["hits"]) == 1
    other = client.post({"q": "law train"}, page_size=1, page_token=token)
    assert other.get_json()["code"] == "invalid_page_token"


def test_tenants_find_only_their_own(
    app: flask.Flask, client: SearchClient, shared_library: Library
) -> None:
    """The same query by another user, also one who knows a foreign video's id."""
    stranger = SearchClient(app.test_client(), shared_library.other_id)
    hits = stranger.get(q="the train leaves")["hits"]
    assert {UUID(hit["scene_id"]) for hit in hits} <= shared_library.foreign
    foreign_video = hits[0]["video_id"]
    assert client.get(q="the train leaves", video_id=foreign_video)["nothing_found"] is True


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"q": ""},
        {"q": "   "},
        {"q": "x" * 501},
        {"q": "a\0b"},
        {"q": "train", "mode": "magic"},
        {"q": "train", "page_size": "0"},
        {"q": "train", "text_weight": "nan"},
        {"q": "train", "text_weight": "-1"},
        {"q": "train", "video_id": "1"},
        {"q": "train", "unknown": "1"},
        {
            "q": "train",
            "text_weight": "0",
            "vision_weight": "0",
            "tags_weight": "0",
            "person_weight": "0",
        },
    ],
)
def test_what_cannot_be_searched_is_refused(
    client: SearchClient, parameters: dict[str, str]
) -> None:
    """One stable code, with the field at fault."""
    answer = client.ask(**parameters)
    assert answer.status_code == 400
    assert answer.get_json()["code"] == "invalid_request"
    assert answer.get_json()["errors"]


def test_without_a_token_nothing_is_told(app: flask.Flask) -> None:
    """401, before anything is searched."""
    answer = app.test_client().get("/v1/search?q=train")
    assert answer.status_code == 401
