"""`python -m local.smoke URL`: whether a deployment answers as it should.

    python -m local.smoke https://heimdex.example
    SMOKE_TOKEN=… python -m local.smoke https://heimdex.example --index

Without a token: the API is up and of this release, who is not signed in is refused with a problem
document by both public functions, and search is warm. With an account's ID token in SMOKE_TOKEN
(not an argument: those can be seen by every process) it searches; with --index it also uploads the
sample video, waits until it is indexed, finds its known moments, and deletes it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from local.client import ApiError, Client, Endpoints
from local.demo import as_expected
from local.sample.script import KNOWN_MOMENTS
from local.sample.video import make_sample

_DOCUMENT: Final = Path(__file__).parents[1] / "functions" / "api" / "openapi.json"
_TIMEOUT_S: Final = 60
_POLL_S: Final = 0.5
#: What may go wrong in a check; anything else is a fault of this program.
FAILURES: Final = (AssertionError, ApiError, OSError, KeyError, ValueError)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to ask, and how patiently."""

    url: str
    token: str = ""
    index: bool = False
    #: A warm search function answers within this time, its network included.
    warm_s: float = 10.0
    index_timeout_s: float = 1_200.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one check ended."""

    name: str
    is_ok: bool
    note: str


Check = Callable[[Options], str]


def run(options: Options) -> Iterator[Outcome]:
    """Make every check that the options allow, each whatever became of the others."""
    for name, check in _checks(options):
        try:
            yield Outcome(name=name, is_ok=True, note=check(options))
        except FAILURES as error:
            yield Outcome(name=name, is_ok=False, note=f"{type(error).__name__}: {error}"[:300])


def _checks(options: Options) -> Iterator[tuple[str, Check]]:
    yield "health", _health
    yield "version", _version
    yield "refuses who is not signed in", _unauthorised
    yield "search is warm", _warm
    if options.token:
        yield "search answers", _search
    if options.token and options.index:
        yield "upload, index, search, delete", _way_through


def _health(options: Options) -> str:
    answer = _get(options, "/v1/healthz")
    _expect(answer.status_code == 200 and answer.json() == {"status": "ok"}, answer)
    return "ok"


def _version(options: Options) -> str:
    """The document that the deployment serves is that of this release."""
    answer = _get(options, "/v1/openapi.json")
    _expect(answer.status_code == 200, answer)
    here = json.loads(_DOCUMENT.read_text(encoding="utf-8"))
    if answer.json() != here:
        raise AssertionError("the API describes itself otherwise than this release does")
    return str(here["info"]["version"])


def _unauthorised(options: Options) -> str:
    for path in ("/v1/videos", "/v1/search?q=x"):
        answer = _get(options, path)
        _expect(answer.status_code == 401, answer)
        _expect(answer.headers["Content-Type"] == "application/problem+json", answer)
        _expect(answer.json()["code"] == "unauthenticated", answer)
    return "401 unauthenticated"


def _warm(options: Options) -> str:
    began = time.monotonic()
    _get(options, "/v1/search?q=x")
    took_s = time.monotonic() - began
    if took_s > options.warm_s:
        raise AssertionError(f"it took {took_s:.1f} s, as if it had to start first")
    return f"{took_s * 1000:.0f} ms"


def _search(options: Options) -> str:
    answer = _client(options).search("a red car at night")
    return f"{len(answer['hits'])} hits"


def _way_through(options: Options) -> str:
    client = _client(options)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        video_id = client.upload(make_sample(Path(directory) / "smoke.mp4"))
    try:
        _wait_indexed(client, video_id, options.index_timeout_s)
        took_s = time.monotonic() - began
        for moment in KNOWN_MOMENTS[:3]:
            answer = client.search(moment.query, video_id=[video_id])
            if not as_expected(moment, answer):
                raise AssertionError(f"{moment.query!r} does not find its moment first")
    finally:
        client.delete(video_id)
    return f"searchable after {took_s:.0f} s"


def _wait_indexed(client: Client, video_id: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while (status := client.status(video_id))["state"] != "indexed":
        if status["state"] == "failed" or time.monotonic() > deadline:
            raise AssertionError(f"the video is {status['state']}: {status.get('error')}")
        time.sleep(_POLL_S)


def _client(options: Options) -> Client:
    return Client(Endpoints(api_url=options.url, identity_url=""), options.token)


def _get(options: Options, path: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(options.url + path, timeout=_TIMEOUT_S)


def _expect(holds: bool, answer: Any) -> None:
    if not holds:
        body = answer.text[:120].replace("\n", " ")
        raise AssertionError(f"unexpected answer {answer.status_code}: {body}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and report; returns the exit code: 0 if all is well."""
    parser = argparse.ArgumentParser(
        prog="python -m local.smoke",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="of the deployment, without /v1")
    parser.add_argument("--index", action="store_true", help="also the whole way of a video")
    parser.add_argument("--warm-s", type=float, default=Options.warm_s, metavar="SECONDS")
    given = parser.parse_args(arguments)
    token = os.environ.get("SMOKE_TOKEN", "")
    if given.index and not token:
        parser.error("--index needs an account's ID token in SMOKE_TOKEN")
    options = Options(
        url=given.url.rstrip("/"), token=token, index=given.index, warm_s=given.warm_s
    )
    outcomes = []
    for outcome in run(options):
        print(f"{'ok' if outcome.is_ok else 'FAILED':<8}{outcome.name:<32}{outcome.note}")
        outcomes.append(outcome)
    return 0 if all(outcome.is_ok for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
