"""Whole searches through the function as deployed: functions-framework, real tokens, real rows."""

from __future__ import annotations

import base64
import http.client
import json
import math
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import UUID

import numpy as np

from common.web.auth import user_id_of
from local.client import Endpoints, sign_in
from local.environment import OFFLINE, PROJECT, process_environment
from local.functions import FunctionProcess, FunctionSpec
from local.identity import IdentityServer
from tests.benchmarks.search_data import QUESTIONS, sentences
from tests.benchmarks.search_figures import percentile

CLIENTS: Final = 100
#: What 95 of 100 answers may take with all clients asking, queries encoded anew.
TARGET_S: Final = 1.5
#: Milliseconds that a query's encoding keeps an instance of 2 cores busy: BGE-M3, and SigLIP 2's
#: text tower of the base size (`make bench-models`) and of so400m (by its multiplications, 4.84
#: times those of the base size: 27 blocks of 1152 and 4304 numbers against 12 of 768 and 3072).
ENCODING_MS: Final = {"cpu": 147 + 82, "gpu": 147 + round(82 * 4.84)}
_TIMEOUT_S = 60
#: All that there are to compose.
_SENTENCES = 3_000
#: The offline profile reads and sends nothing but rows.
_NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Somebody signed in."""

    user_id: UUID
    #: Firebase's id of the account.
    uid: str
    token: str


@dataclass(frozen=True, kw_only=True)
class Load:
    """Answers of some clients, each asking again as soon as it is answered."""

    clients: int
    times_ms: list[float]
    #: Answers that were not 200. That nothing was found can be right.
    errors: int
    seconds: float

    @property
    def mean_ms(self) -> float:
        """Of all times."""
        return statistics.fmean(self.times_ms)

    @property
    def spread(self) -> float:
        """The 95th percentile over the mean."""
        return percentile(self.times_ms, 95) / self.mean_ms

    def summary(self) -> dict[str, object]:
        """For JSON."""
        return {
            "clients": self.clients,
            "requests": len(self.times_ms),
            "errors": self.errors,
            "p50_ms": round(percentile(self.times_ms, 50), 1),
            "p95_ms": round(percentile(self.times_ms, 95), 1),
            "requests_per_s": round(len(self.times_ms) / self.seconds, 1),
        }


@contextmanager
def identity(directory: Path) -> Iterator[IdentityServer]:
    """The stand-in for Firebase, running."""
    server = IdentityServer(directory, project=PROJECT)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def account(server: IdentityServer) -> Account:
    """Sign in; the token is good for an hour."""
    endpoints = Endpoints(api_url=_NOWHERE, identity_url=server.url)
    token = sign_in(endpoints, "bench@example.com", "a password of the benchmark")
    payload = token.split(".")[1]
    uid = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
    return Account(user_id=user_id_of(PROJECT, uid), uid=uid, token=token)


@contextmanager
def search_function(server: IdentityServer, directory: Path, database_url: str) -> Iterator[str]:
    """The function in a process of its own; its URL.

    Args:
        server: that verifies tokens.
        directory: for its log.
        database_url: as `heimdex_api`.
    """
    function = FunctionProcess(
        FunctionSpec(name="search", signature="http"), directory / "search.log"
    )
    environment = process_environment(
        storage_url=_NOWHERE, pubsub_endpoint=_NOWHERE, token_key="a key", models=OFFLINE
    )
    function.start({**server.environment(), **environment, "HEIMDEX_DATABASE_URL": database_url})
    try:
        function.wait_ready()
        yield function.url
    finally:
        function.stop()


def ask(url: str, token: str, queries: Sequence[Sequence[str]]) -> Load:
    """Let clients ask, all at once, each its own queries one after the other.

    Args:
        url: of the function.
        token: of the tenant.
        queries: of each client.
    """
    ready = threading.Barrier(len(queries) + 1)
    with ThreadPoolExecutor(len(queries)) as pool:
        running = [pool.submit(_client, url, token, mine, ready) for mine in queries]
        ready.wait()
        started = time.perf_counter()
        answers = [answer for each in running for answer in each.result()]
        seconds = time.perf_counter() - started
    return Load(
        clients=len(queries),
        times_ms=[milliseconds for milliseconds, _ in answers],
        errors=sum(not good for _, good in answers),
        seconds=seconds,
    )


def texts(count: int) -> list[str]:
    """Distinct queries, each of a few words that are said and a few that are seen."""
    said = dict.fromkeys(" ".join(line.split()[:6]) for line in sentences(_SENTENCES))
    found = [f"{line} {seen}" for line in said for _, seen in QUESTIONS]
    order = np.random.default_rng(4).permutation(len(found))
    assert count <= len(found)
    return [found[place] for place in order[:count]]


def instances(encode_s: float, rest_s: float, spread: float, clients: int = CLIENTS) -> int:
    """Instances that keep the 95th percentile below the target.

    Clients ask again as soon as they are answered, so each of n instances has clients / n requests
    in hand, and a mean answer waits for as many: mean = clients / n * (encode_s + rest_s).

    Args:
        encode_s: seconds a query's encoding keeps an instance busy.
        rest_s: seconds that the rest of a request does.
        spread: the 95th percentile over the mean, as measured under load.
        clients: asking at once.
    """
    return math.ceil(clients * (encode_s + rest_s) * spread / TARGET_S)


def _client(
    url: str, token: str, queries: Sequence[str], ready: threading.Barrier
) -> list[tuple[float, bool]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
    ready.wait()
    answers = []
    for query in queries:
        started = time.perf_counter()
        good = _good(connection, token, query)
        answers.append(((time.perf_counter() - started) * 1_000, good))
    connection.close()
    return answers


def _good(connection: http.client.HTTPConnection, token: str, query: str) -> bool:
    try:
        connection.request(
            "GET", f"/v1/search?q={quote(query)}", headers={"Authorization": f"Bearer {token}"}
        )
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return False
    # That nothing was found can be right.
    return answer.status == 200 and "hits" in json.loads(body)
