"""Service accounts of the stand-in under google-auth and google-cloud-storage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent import futures
from urllib.parse import parse_qsl, quote, urlsplit

import grpc
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.identity import IdentityServer
from tests.contract.identity_process import PROJECT, ClientProcess

SIGNER = f"upload-signer@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityServer]:
    """One stand-in for the module."""
    with IdentityServer(tmp_path_factory.mktemp("identity"), project=PROJECT) as running:
        yield running


@pytest.fixture(scope="module")
def process(server: IdentityServer) -> Iterator[ClientProcess]:
    """One client process for the module."""
    with ClientProcess(server) as running:
        yield running


def _check(key: rsa.RSAPublicKey | None, signature: str, message: bytes) -> None:
    assert key is not None
    key.verify(bytes.fromhex(signature), message, padding.PKCS1v15(), hashes.SHA256())


def test_sign_bytes_verifies_with_the_accounts_key(
    server: IdentityServer, process: ClientProcess
) -> None:
    """What impersonated credentials sign through IAM verifies with `public_key_for`."""
    signature = process.ask("sign", email=SIGNER, message="hello")["signature"]
    _check(server.public_key_for(SIGNER), signature, b"hello")
    with pytest.raises(InvalidSignature):
        _check(server.public_key_for(SIGNER), signature, b"hallo")


def test_each_account_has_its_own_key(server: IdentityServer, process: ClientProcess) -> None:
    """One account's signature is not another's."""
    other = f"download-signer@{PROJECT}.iam.gserviceaccount.com"
    signature = process.ask("sign", email=other, message="hello")["signature"]
    process.ask("sign", email=SIGNER, message="hello")
    with pytest.raises(InvalidSignature):
        _check(server.public_key_for(SIGNER), signature, b"hello")


def test_an_account_that_never_signed_has_no_key(server: IdentityServer) -> None:
    """Verifying makes no keys, and odd names reach no file."""
    assert server.public_key_for(f"nobody@{PROJECT}.iam.gserviceaccount.com") is None
    assert server.public_key_for("../../etc/passwd") is None


def test_a_v4_url_verifies_by_plain_rsa(server: IdentityServer, process: ClientProcess) -> None:
    """google-cloud-storage signs an upload URL through IAM; the signature is over that request."""
    endpoint = "http://127.0.0.1:9"
    url = urlsplit(process.ask("sign_url", email=SIGNER, endpoint=endpoint)["url"])
    query = dict(parse_qsl(url.query))
    signature = query.pop("X-Goog-Signature")
    headers = {
        "content-type": "video/mp4",
        "host": "127.0.0.1:9",
        "x-goog-content-length-range": "1,1000",
    }
    canonical = "\n".join(
        [
            "PUT",
            url.path,
            "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items())),
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            ";".join(headers),
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = query["X-Goog-Credential"].partition("/")[2]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    message = f"GOOG4-RSA-SHA256\n{query['X-Goog-Date']}\n{scope}\n{digest}"
    assert query["X-Goog-Credential"].startswith(f"{SIGNER}/")
    _check(server.public_key_for(SIGNER), signature, message.encode())


def test_impersonation_gives_that_accounts_token(
    server: IdentityServer, process: ClientProcess
) -> None:
    """GenerateAccessToken answers with a token of the target account."""
    answer = process.ask("impersonate", email=SIGNER)
    assert answer["valid"]
    assert server.email_of_access_token(answer["token"]) == SIGNER


def test_nothing_leaves_the_machine(server: IdentityServer, process: ClientProcess) -> None:
    """A request to any other host fails at the proxy, by TLS or in the clear, and is on record."""
    assert process.ask("fetch", url="https://example.com/")["error"] == "ProxyError"
    assert process.ask("fetch", url="http://example.com/")["status"] == 403
    assert server.refused_hosts[-2:] == ("example.com:443", "http://example.com/")


def test_local_grpc_does_not_go_through_the_proxy(process: ClientProcess) -> None:
    """The same environment leaves insecure gRPC channels to this machine alone."""
    pool = futures.ThreadPoolExecutor(1)
    echo = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    server = grpc.server(pool)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", {"Echo": echo}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    assert process.ask("grpc", target=f"127.0.0.1:{port}") == {"answer": "ping"}
    server.stop(None).wait()
    pool.shutdown()
