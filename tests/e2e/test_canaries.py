"""Secrets are driven through every function and job, and no log of any of them holds one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import requests
import sqlalchemy
from google.cloud import storage
from google.oauth2.credentials import Credentials

from local.client import ApiError, Client, Subtitles, sign_in
from local.cloud import Cloud
from local.environment import PROJECT, UPLOADS_BUCKET
from tests.e2e.conftest import wait_for_end
from tests.media import write_clip
from tests.spans import SpanReceiver

pytestmark = pytest.mark.xdist_group("e2e")

#: Units that must have logged something, or the search below proves nothing.
_UNITS = ("api", "search", "upload_finalized", "start_jobs", "heimdex-media", "heimdex-gpu")
_TIMEOUT_S = 30


@dataclass(frozen=True, kw_only=True)
class Canary:
    """One secret."""

    name: str
    #: What must not be found.
    text: str


class Planting:
    """A user whose every secret is recognisable, and what they do.

    Args:
        cloud: running.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.planted: list[Canary] = []
        self._email = f"{self._word('e-mail')}@example.com"
        password = self._word("password")
        token = sign_in(cloud.address.endpoints, self._email, password)
        self.client = Client(cloud.address.endpoints, token)
        self._plant("token", token)
        self._plant("signature of the token", token.rpartition(".")[2])

    def upload(self, directory: Path) -> str:
        """A video with subtitles, through both lanes; returns its id."""
        subtitles = directory / "clip.srt"
        said = self._word("transcript")
        subtitles.write_text(f"1\n00:00:00,200 --> 00:00:01,800\nwe saw the {said} today\n")
        clip = directory / f"{self._word('file name')}.mp4"
        write_clip(clip)
        video_id = self.client.upload(clip, [Subtitles(path=subtitles, language="en")])
        assert wait_for_end(self.client, video_id)["state"] == "indexed"
        self._plant_vectors(video_id)
        return video_id

    def send_by_hand(self) -> None:
        """Signed URLs and a session, used and misused, so that somebody has reason to log them."""
        for resumable in (True, False):
            answer = self.client.declare(
                {"content_type": "video/mp4", "size_bytes": 9, "resumable": resumable},
                title=self._word("title"),
            )
            (upload,) = answer["uploads"]
            query = parse_qs(urlsplit(upload["url"]).query)
            self._plant("signature of a URL", query["X-Goog-Signature"][0])
            sent = requests.request(
                upload["method"], upload["url"], headers=upload["headers"], data=b"", timeout=30
            )
            if resumable:
                session = sent.headers["Location"]
                self._plant("upload session", parse_qs(urlsplit(session).query)["upload_id"][0])
                content = f"{self._word('content')}"[:9].encode()
                assert requests.put(session, data=content, timeout=_TIMEOUT_S).ok
                assert wait_for_end(self.client, answer["video"]["id"])["state"] == "failed"

    def repeat(self) -> None:
        """One idempotency key for a request, its repetition, and another request."""
        headers = {
            "Authorization": f"Bearer {self.client.token}",
            "Idempotency-Key": self._word("idempotency key"),
        }
        for size, status in ((9, 201), (9, 201), (8, 422)):
            answer = requests.post(
                f"{self._cloud.address.api_url}/v1/uploads",
                json={"video": {"content_type": "video/mp4", "size_bytes": size}},
                headers=headers,
                timeout=_TIMEOUT_S,
            )
            assert answer.status_code == status

    def search(self, video_id: str) -> None:
        """Words, a name that is enrolled, pages, and a preview."""
        scene = self.client.scenes(video_id)[0]["id"]
        self._enrol(self._word("person"))
        person = self.planted[-1].text
        for words in (self._word("query"), f"{person} today", f'"{self._word("phrase")}"'):
            self.client.search(words, explain="true", video_id=video_id)
        url = self.client.preview(scene)["url"]
        self._plant("signature of a preview", parse_qs(urlsplit(url).query)["X-Goog-Signature"][0])
        assert requests.get(url, timeout=_TIMEOUT_S).ok

    def misbehave(self) -> None:
        """Requests that are refused: nothing of them is told to the logs."""
        base = self._cloud.address.api_url
        headers = {"Authorization": f"Bearer {self._word('bad token')}.b.c"}
        word = self._word("refused")
        for method, path in (
            ("GET", "/v1/me"),
            ("GET", f"/v1/search?q={word}"),
            ("GET", f"/v1/{word}?access_token={word}"),
            ("GET", f"/{word}"),
            ("GET", f"/robots.txt?{word}"),
            ("DELETE", f"/v1/search?q={word}"),
            ("POST", "/v1/uploads"),
        ):
            answer = requests.request(
                method, base + path, headers=headers, data=word, timeout=_TIMEOUT_S
            )
            assert 400 <= answer.status_code < 500
        refused: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("POST", "/uploads", {"json": {word: word}}),
            ("GET", "/videos", {"params": {"page_token": word}}),
            ("GET", "/search", {"params": {"q": word, word: word}}),
            ("GET", f"/videos/{word}", {}),
        )
        for method, path, options in refused:
            with pytest.raises(ApiError):
                self.client._call(method, path, **options)

    def put_a_foreign_object(self) -> None:
        """An object in the bucket that no upload declares; its event comes all the same."""
        client = storage.Client(
            project=PROJECT,
            credentials=Credentials(token="local"),
            client_options={"api_endpoint": self._cloud.address.storage_url},
        )
        name = f"videos/{self._word('object name')}.mp4"
        blob = client.bucket(UPLOADS_BUCKET).blob(name)
        blob.metadata = {"note": self._word("metadata")}
        blob.upload_from_string(self._word("object content"))
        client.close()

    def _word(self, name: str) -> str:
        """A new secret that is a word."""
        word = f"canary{uuid4().hex[:16]}"
        self._plant(name, word)
        return word

    def _plant(self, name: str, text: str) -> None:
        assert len(text) >= 16, f"{name}: {text} could be found by chance"
        self.planted.append(Canary(name=name, text=text))

    def _enrol(self, name: str) -> None:
        with self._owner() as connection:
            connection.execute(
                sqlalchemy.text(
                    "INSERT INTO people (user_id, id, name)"
                    " SELECT id, gen_random_uuid(), :name FROM users WHERE email = :email"
                ),
                {"name": name, "email": self._email},
            )

    def _plant_vectors(self, video_id: str) -> None:
        with self._owner() as connection:
            for table in ("text_vectors", "frame_vectors"):
                (vector,) = connection.execute(
                    sqlalchemy.text(
                        f"SELECT CAST(v.vector AS text) FROM {table} v JOIN scenes s"
                        " ON s.id = v.scene_id WHERE s.video_id = :id LIMIT 1"
                    ),
                    {"id": video_id},
                ).one()
                self._plant_numbers(table, json.loads(str(vector)))

    def _plant_numbers(self, name: str, vector: list[float]) -> None:
        """Three numbers in a row that are not all the same, however a list is written."""
        for start in range(len(vector) - 2):
            part = vector[start : start + 3]
            if len({abs(value) for value in part}) == 3 and 0 not in part:
                self._plant(name, ",".join(str(value) for value in part))
                self._plant(name, ", ".join(str(value) for value in part))
                return
        raise AssertionError(f"{name} holds nothing that could be recognised")

    def _owner(self) -> Any:
        engine = sqlalchemy.create_engine(
            self._cloud.address.database_url, poolclass=sqlalchemy.NullPool
        )
        return engine.begin()


def _logs(cloud: Cloud) -> dict[str, str]:
    return {path.name: path.read_text(errors="replace") for path in cloud.logs.glob("*.log")}


def _spans(request: pytest.FixtureRequest) -> str:
    """All that was sent of spans, once the last request's is among them; "" where none are sent."""
    if find_spec("opentelemetry.exporter") is None:
        return ""
    receiver: SpanReceiver = request.getfixturevalue("spans")
    receiver.wait_for("run gpu", "search.encode", "DELETE /v1/videos/<video_id>")
    return repr(receiver.all())


def test_no_log_holds_a_secret(
    cloud: Cloud, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """API, search, events, doorbell and both lanes: 20 and more secrets, none of them found.

    Nor in the spans that they send.
    """
    planting = Planting(cloud)
    video_id = planting.upload(tmp_path)
    planting.send_by_hand()
    planting.repeat()
    planting.search(video_id)
    planting.misbehave()
    planting.put_a_foreign_object()
    planting.client.delete(video_id)

    logs = _logs(cloud)
    for unit in _UNITS:
        assert any(name.startswith(unit) and text.strip() for name, text in logs.items()), unit
    whole = "\n".join([*logs.values(), _spans(request)])
    assert video_id in whole  # what happened to the video is there, so the logs are of this
    assert len({canary.name for canary in planting.planted}) >= 20
    found = [canary.name for canary in planting.planted if canary.text in whole]
    assert found == []
    assert not re.search(r"X-Goog-Signature=[0-9a-f]", whole)


def test_a_secret_in_a_log_would_be_found(tmp_path: Path) -> None:
    """The search reads every log, whatever is in it."""

    class Leaky:
        logs = tmp_path

    (tmp_path / "api.log").write_bytes(b"\xff fine\n")
    (tmp_path / "heimdex-gpu-1.log").write_text("the canary0123456789abcdef sang\n")
    leaky: Any = Leaky()
    assert "canary0123456789abcdef" in "\n".join(_logs(leaky).values())
