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
    email_verified: bool = True


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


def test_both_forms_take_the_same_filters(client: SearchClient) -> None:
    """Every filter either way gives the same answer, and each can be told from none."""
    filters: dict[str, object] = {
        "person_match": "any",
        "created_from": "2026-01-01T00:00:00Z",
        "created_before": "2999-01-01T00:00:00+09:00",
        "min_duration_ms": 1,
        "max_duration_ms": 10**9,
        "language": "en",
        "has_speech": True,
        "group_by": "video",
        "explain": True,
    }
    got = client.get(
        q="train law", **{k: str(v).lower() if v is True else v for k, v in filters.items()}
    )
    assert _valid(client.post({"q": "train law", **filters})) == got
    assert len(got["hits"]) == 2
    assert client.get(q="train law", created_before="2020-01-01T00:00:00Z")["nothing_found"]


def test_videos_are_listed_once(client: SearchClient) -> None:
    """Grouped by video: the best moment, how many there are, and the next best of them."""
    apart = client.get(q="noodles crying", page_size=100)
    grouped = client.get(q="noodles crying", page_size=100, group_by="video")
    counts: dict[str, int] = {}
    for hit in apart["hits"]:
        counts[hit["video_id"]] = counts.get(hit["video_id"], 0) + 1
    assert max(counts.values()) > 1
    assert [hit["video_id"] for hit in grouped["hits"]] == list(
        dict.fromkeys(hit["video_id"] for hit in apart["hits"])
    )
    for hit in grouped["hits"]:
        assert hit["moments_in_video"] == counts[hit["video_id"]]
        assert len(hit["more_in_video"]) == min(counts[hit["video_id"]] - 1, 3)
    assert all((hit["moments_in_video"], hit["more_in_video"]) == (1, []) for hit in apart["hits"])


def test_neighbours_are_one_moment(client: SearchClient, shared_library: Library) -> None:
    """Adjacent hits are one, which spans them, and each says why it is part of it."""
    (hit,) = client.get(q="noodles soup", mode="keyword")["hits"]
    kitchen = [str(scene) for scene in shared_library.scenes["Kitchen"][:2]]
    assert (hit["start_ms"], hit["end_ms"]) == (0, 20_000)
    assert [part["scene_id"] for part in hit["sub_hits"]] == kitchen
    assert hit["scene_id"] in kitchen
    first, second = (part["why"]["en"] for part in hit["sub_hits"])
    assert first == "Said: “noodles”. Not found here: “soup”."
    assert second == "Said: “soup”. Not found here: “noodles”."


def test_the_plan_is_told_when_asked_for(client: SearchClient) -> None:
    """Words with their importance, every leg with its model or its reason, weights and version."""
    assert client.get(q="mind the gap")["plan"] is None
    plan = client.get(q='red "mind the gap"', explain="true", text_weight="1")["plan"]
    assert plan["phrases"] == ["mind the gap"]
    assert [word["text"] for word in plan["words"]] == ["red", "mind", "gap"]
    assert sum(word["importance"] for word in plan["words"]) == pytest.approx(1, abs=1e-3)
    legs = {leg["leg"]: leg for leg in plan["legs"]}
    assert legs["vision"]["model"] == "colour-and-light"
    assert legs["vision"]["abstained"] is None
    assert legs["people"]["abstained"] == "nobody_named"
    assert legs["people"]["weight"] == 0
    assert plan["requested_weights"]["text"] == 1
    assert plan["index_version"] == VERSION
    assert plan["scenes"] == 12
    assert plan["found"] == len(client.get(q='red "mind the gap"', text_weight="1")["hits"])


def test_a_scene_is_a_query(client: SearchClient, shared_library: Library) -> None:
    """GET and POST alike; a foreign scene is not found, as one that never was."""
    scene = str(shared_library.scenes["Trip"][2])
    got = client.get(scene_id=scene)
    assert _valid(client.post({"scene_id": scene})) == got
    assert got["query"]["text"] == ""
    foreign = client.ask(scene_id=str(min(shared_library.foreign)))
    missing = client.ask(scene_id="00000000-0000-4000-8000-000000000000")
    assert foreign.status_code == missing.status_code == 404
    assert foreign.get_json()["code"] == missing.get_json()["code"] == "not_found"


def test_no_byte_of_a_token_can_be_changed(client: SearchClient) -> None:
    """Nor can it be cut, doubled, or given to other parameters."""
    token = client.get(q="train law", page_size=1)["next_page_token"]
    changed = [
        token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        for place in range(len(token))
    ]
    for wrong in (*changed, token[:-1], token + "A", token * 2, "", "A", "=", "🙂"):
        answer = client.ask(q="train law", page_size=1, page_token=wrong)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_page_token")
    for other in ({"has_speech": "true"}, {"group_by": "video"}, {"mode": "keyword"}):
        answer = client.ask(q="train law", page_size=1, page_token=token, **other)
        assert answer.get_json()["code"] == "invalid_page_token"


def test_a_token_is_its_users_own(
    app: flask.Flask, client: SearchClient, shared_library: Library
) -> None:
    """Another user cannot go on with it."""
    token = client.get(q="train law", page_size=1)["next_page_token"]
    stranger = SearchClient(app.test_client(), shared_library.other_id)
    answer = stranger.ask(q="train law", page_size=1, page_token=token)
    assert answer.get_json()["code"] == "invalid_page_token"


_MANY = [f"00000000-0000-4000-8000-{n:012d}" for n in range(1_000)]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "q"),
        ({"q": "train", "scene_id": _MANY[0]}, "q"),
        ({"q": "x" * 10_000}, "q"),
        ({"q": "가" * 501}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"q": "\u200b\ufeff \u2060"}, None),
        ({"q": '"a b"' * 9}, "q"),
        ({"scene_id": "1"}, "scene_id"),
        ({"q": "train", "page_size": "-1"}, "page_size"),
        ({"q": "train", "page_size": "0"}, "page_size"),
        ({"q": "train", "page_size": "1000000000"}, "page_size"),
        ({"q": "train", "page_size": "1e3"}, "page_size"),
        ({"q": "train", "text_weight": "NaN"}, "text_weight"),
        ({"q": "train", "vision_weight": "Infinity"}, "vision_weight"),
        ({"q": "train", "person_weight": "-Infinity"}, "person_weight"),
        ({"q": "train", "tags_weight": "1.0001"}, "tags_weight"),
        ({"q": "train", "mode": "magic"}, "mode"),
        ({"q": "train", "group_by": "user_id"}, "group_by"),
        ({"q": "train", "person_match": "none"}, "person_match"),
        ({"q": "train", "video_id": _MANY}, "video_id"),
        ({"q": "train", "person_id": _MANY[:51]}, "person_id"),
        ({"q": "train", "person_id": "' OR 1=1 --"}, "person_id.0"),
        ({"q": "train", "created_from": "yesterday"}, "created_from"),
        ({"q": "train", "created_from": "2026-01-01T00:00:00"}, "created_from"),
        ({"q": "train", "created_from": "99999-01-01T00:00:00Z"}, "created_from"),
        (
            {
                "q": "x",
                "created_from": "2026-01-02T00:00:00Z",
                "created_before": "2026-01-01T00:00:00Z",
            },
            "created_before",
        ),
        ({"q": "train", "min_duration_ms": "-1"}, "min_duration_ms"),
        ({"q": "train", "max_duration_ms": "99999999999999999999"}, "max_duration_ms"),
        ({"q": "train", "min_duration_ms": "2", "max_duration_ms": "1"}, "max_duration_ms"),
        ({"q": "train", "language": "korean"}, "language"),
        ({"q": "train", "language": "k'"}, "language"),
        ({"q": "train", "has_speech": "maybe"}, "has_speech"),
        ({"q": "train", "explain": "2"}, "explain"),
        ({"q": ["train", "law"]}, "q"),
        ({"q": "train", "user_id": _MANY[0]}, "user_id"),
        ({"q": "train", "page_token": "A" * 3_000}, "page_token"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_hostile_parameters_get_a_clear_error(
    client: SearchClient, parameters: dict[str, object], field: str | None
) -> None:
    """400 with the field at fault in two languages; None: an answer is as good."""
    answer = client.ask(**parameters)
    if field is None:
        assert answer.status_code in (200, 400)
        return
    assert answer.status_code == 400, answer.get_data(as_text=True)
    problem = answer.get_json()
    assert problem["code"] == "invalid_request"
    assert field in {error["field"] for error in problem["errors"]}


@pytest.mark.parametrize(
    "text",
    [
        "train & law | !exit:* <-> (gap)",
        "%",
        "100% _train_",
        "'; DROP TABLE scenes; --",
        "$1 :q %s %(q)s {tenant} \\",
        '" unbalanced',
        '""',
        '"%" "_"',
        "a" * 500,
        "a " * 250,
        "e" + "\u0301" * 499,
        "\u202ename\u202c \u200f",
        "🙂🚗🌙" * 100,
        "가" * 500,
        "ㅋ" * 500,
        "﷽" * 27,
        "ﬀ" * 500,
        "1e309 NaN -Infinity null",
        "<script>alert(1)</script>",
        "\t\n\r train \x7f",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_odd_texts_are_searched_for(client: SearchClient, text: str) -> None:
    """Operators mean nothing, and what cannot be read finds nothing."""
    got = client.get(q=text)
    assert _valid(client.post({"q": text})) == got


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"train"',
        b'{"q": "train"',
        b'{"q": 1}',
        b'{"q": null}',
        b'{"q": ["train"]}',
        b'{"q": "train", "q": "law"}',
        b'{"q": "\\ud800"}',
        b'{"q": "a\\u0000"}',
        b'{"q": "\xff"}',
        b'{"q": "train", "weights": {"text": NaN}}',
        b'{"q": "train", "weights": {"text": 1e999}}',
        b'{"q": "train", "weights": {"text": "1"}}',
        b'{"q": "train", "weights": {"text": -0.1}}',
        b'{"q": "train", "weights": null}',
        b'{"q": "train", "has_speech": "true"}',
        b'{"q": "train", "video_ids": "x"}',
        b'{"q": "train", "video_ids": [1]}',
        b'{"q": "train", "text_vector": [1, 2, 3]}',
        b'{"q": "train", "user_id": "00000000-0000-4000-8000-000000000000"}',
        b'{"q":' * 5_000 + b"1" + b"}" * 5_000,
        b"[" * 50_000,
        b'{"q": "' + b"x" * 10_000 + b'"}',
    ],
    ids=lambda body: str(body[:40]),
)
def test_hostile_bodies_get_a_clear_error(
    app: flask.Flask, shared_library: Library, body: bytes
) -> None:
    """400, never a 500."""
    answer = app.test_client().post(
        "/v1/search",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {shared_library.user_id}"},
    )
    assert answer.status_code == 400, answer.get_data(as_text=True)
    assert answer.get_json()["code"] == "invalid_request"
    assert answer.get_json()["errors"]
