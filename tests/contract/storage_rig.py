"""A storage stand-in with the official client and the adapter around it."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from cloudevents.http import CloudEvent, from_http
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.cloud.storage import Client
from google.oauth2.credentials import Credentials
from google.oauth2.service_account import Credentials as ServiceAccount

from common.storage import ObjectStore, Signers
from local.storage import StorageServer

BUCKET = "heimdex-test-uploads"
SIGNER = "signer@heimdex-test.iam.gserviceaccount.com"


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The adapter, the client it uses, and a bucket, a prefix that is this test's alone."""

    store: ObjectStore
    client: Client
    bucket: str
    prefix: str


@cache
def key() -> rsa.RSAPrivateKey:
    """The signer's key, made once per process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_key_for(email: str) -> rsa.RSAPublicKey | None:
    """What the stand-in knows of signers."""
    return key().public_key() if email == SIGNER else None


def signer() -> ServiceAccount:
    """Credentials that sign by themselves."""
    pem = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    info = {"client_email": SIGNER, "private_key": pem, "token_uri": "http://127.0.0.1:1/"}
    credentials: ServiceAccount = ServiceAccount.from_service_account_info(info)
    return credentials


@contextmanager
def server(root: Path, **options: Any) -> Iterator[StorageServer]:
    """A running stand-in with one bucket."""
    with StorageServer(
        root, public_key_for=public_key_for, buckets=(BUCKET,), **options
    ) as running:
        yield running


@contextmanager
def connected(url: str, *, retry_for_s: float = 10.0) -> Iterator[Rig]:
    """The client and the adapter on a stand-in."""
    client = Client(
        project="heimdex-test",
        credentials=Credentials("any-token"),
        client_options={"api_endpoint": url},
    )
    store = ObjectStore(
        client,
        signers=Signers(upload=signer, download=signer),
        public_endpoint=url,
        retry_for_s=retry_for_s,
    )
    yield Rig(store=store, client=client, bucket=BUCKET, prefix="")
    store.close()


class EventSink:
    """A function that receives events: it notes each and answers as it is told.

    Args:
        port: 0 picks a free one.
        answers: statuses of the first answers; then 200.
    """

    def __init__(self, *, port: int = 0, answers: Iterable[int] = ()) -> None:
        self.received: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        statuses = iter(answers)
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.received.put(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(next(statuses, 200))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/"

    def next_event(self, within_s: float = 20.0) -> CloudEvent:
        """The next event, read by the CloudEvents SDK."""
        headers, body = self.received.get(timeout=within_s)
        return from_http(headers, body)

    def __enter__(self) -> EventSink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
