"""Bad uploads and requests: a stable code, a text that helps, and nothing else disturbed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from common.errors import CODES
from local.client import ApiError, Client
from local.cloud import Cloud
from tests.e2e.conftest import wait_for_end
from tests.media import write_clip

pytestmark = pytest.mark.xdist_group("e2e")


def _truncated(path: Path) -> None:
    whole = path.with_name("whole.mkv")
    write_clip(whole, shots_ms=(4000, 4000))
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


_FILES: dict[str, tuple[str, Callable[[Path], object], set[str]]] = {
    "zeros": ("x.mp4", lambda p: p.write_bytes(bytes(4096)), {"not_video"}),
    "web page": ("x.mp4", _text("<!doctype html><html></html>"), {"not_video"}),
    "truncated": ("x.mkv", _truncated, {"truncated"}),
    "playlist": (
        "x.mp4",
        _text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        {"external_reference"},
    ),
    "concat script": (
        "x.mp4",
        _text("ffconcat version 1.0\nfile /etc/passwd\n"),
        {"external_reference"},
    ),
    "another type": (
        "x.webm",
        lambda p: (write_clip(p.with_suffix(".mp4")), p.with_suffix(".mp4").rename(p)),
        {"type_mismatch"},
    ),
}


@pytest.mark.parametrize("name", _FILES)
def test_a_bad_file_ends_failed_with_its_code(client: Client, tmp_path: Path, name: str) -> None:
    """The video is failed, never stuck, and says why in both languages."""
    file_name, write, codes = _FILES[name]
    path = tmp_path / file_name
    write(path)
    status = wait_for_end(client, client.upload(path))
    assert status["state"] == "failed"
    error = status["error"]
    assert error["code"] in codes
    assert error["messages"] == {"en": CODES[error["code"]].en, "ko": CODES[error["code"]].ko}


def test_what_can_be_refused_is_refused_before_a_byte_is_sent(
    client: Client, tmp_path: Path
) -> None:
    """An empty file, a wrong type and a size beyond the limit get no upload URL."""
    empty, document = tmp_path / "empty.mp4", tmp_path / "letter.pdf"
    empty.touch()
    document.write_bytes(b"%PDF-1.7")
    with pytest.raises(ApiError) as refused:
        client.upload(empty)
    assert refused.value.code in ("invalid_request", "empty_file")
    with pytest.raises(ApiError) as refused:
        client.upload(document)
    assert refused.value.code == "content_type_not_allowed"
    with pytest.raises(ApiError) as refused:
        client.declare({"content_type": "video/mp4", "size_bytes": 10**12})
    assert refused.value.code == "file_too_large"


def test_the_signature_binds_size_and_type(client: Client) -> None:
    """A URL signed for one size and type stores nothing else."""
    upload = client.declare({"content_type": "video/mp4", "size_bytes": 1000, "resumable": False})[
        "uploads"
    ][0]
    too_long = requests.put(upload["url"], headers=upload["headers"], data=b"x" * 2000, timeout=10)
    assert too_long.status_code in (400, 403)
    other = {**upload["headers"], "content-type": "text/html"}
    wrong_type = requests.put(upload["url"], headers=other, data=b"x" * 1000, timeout=10)
    assert wrong_type.status_code == 403


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="missing"),
        pytest.param("Bearer nonsense", id="not a token"),
        pytest.param("forged", id="forged"),
        pytest.param("unsigned", id="alg none"),
    ],
)
def test_a_bad_token_is_refused(cloud: Cloud, client: Client, authorization: str | None) -> None:
    """Every unverifiable token gets the same 401, on the API and on search."""
    if authorization == "forged":
        head, body, signature = client.token.split(".")
        authorization = f"Bearer {head}.{body}.{signature[::-1]}"
    elif authorization == "unsigned":
        head = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
        authorization = f"Bearer {head}.{client.token.split('.')[1]}."
    headers = {"Authorization": authorization} if authorization else {}
    for path in ("/v1/videos", "/v1/search?q=x"):
        answer = requests.get(cloud.address.api_url + path, headers=headers, timeout=30)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthenticated"
