"""The proxy: tunnels to Google's hosts end here, and no other tunnel begins."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from local.identity import IdentityServer, hosts
from local.identity.authority import LocalAuthority

CERTIFICATES = (
    f"https://{hosts.CERTIFICATES}/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[IdentityServer]:
    """A stand-in of the test's own."""
    with IdentityServer(tmp_path, project="heimdex-test") as running:
        yield running


def _get(server: IdentityServer, url: str, verify: str | None = None) -> requests.Response:
    proxies = {"https": server.proxy_url, "http": server.proxy_url}
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, proxies=proxies, verify=verify or str(server.ca_file), timeout=10)


def _say(server: IdentityServer, data: bytes) -> bytes:
    port = int(server.proxy_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            # It may have closed, and we not yet been told.
            if error.errno != errno.ENOTCONN:
                raise
            raise ConnectionError(error) from error
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
        return answer


@pytest.mark.parametrize("host", sorted(hosts.ALL))
def test_each_of_googles_hosts_is_answered(server: IdentityServer, host: str) -> None:
    """TLS with the host's own name succeeds, and the answer is the stand-in's 404."""
    response = _get(server, f"https://{host}/nothing")
    assert response.json()["error"]["message"] == f"No such call: GET {host}/nothing"


@pytest.mark.parametrize(
    "target",
    [
        "example.com:443",
        "www.googleapis.com:80",
        "www.googleapis.com.example.com:443",
        "storage.googleapis.com:443",
        "127.0.0.1:22",
        "169.254.169.254:443",
        "www.googleapis.com",
    ],
)
def test_other_targets_are_refused(server: IdentityServer, target: str) -> None:
    """Neither another host nor another port of a known one gets a tunnel; each is on record."""
    answer = _say(server, f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert server.refused_hosts == (target,)


@pytest.mark.parametrize(
    "data",
    [b"", b"CONNECT", b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"A" * 200_000],
)
def test_what_is_no_tunnel_does_no_harm(server: IdentityServer, data: bytes) -> None:
    """Garbage gets a refusal or a closed connection, and the next tunnel works."""
    try:
        answer = _say(server, data)
    except ConnectionError:
        answer = b""  # it closed while we were still talking
    assert answer == b"" or answer.startswith(b"HTTP/1.1 403 ")
    assert _get(server, CERTIFICATES).status_code == 200


def test_a_client_that_does_not_trust_the_authority_gets_nothing(
    server: IdentityServer, tmp_path: Path
) -> None:
    """The stand-in is believed only where its root was given; another root is not enough."""
    stranger = LocalAuthority(tmp_path / "stranger")
    with pytest.raises(requests.exceptions.SSLError):
        _get(server, CERTIFICATES, verify=str(stranger.ca_file))


def test_tunnels_run_side_by_side(server: IdentityServer) -> None:
    """Many at once get their own, whole answers."""
    urls = [f"https://{host}/{n}" for n in range(8) for host in sorted(hosts.ALL)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda url: _get(server, url).json(), urls))
    messages = [answer["error"]["message"] for answer in answers]
    assert messages == [f"No such call: GET {url.removeprefix('https://')}" for url in urls]


def test_a_stop_cuts_open_tunnels(server: IdentityServer) -> None:
    """An idle kept-alive tunnel does not hold a stop up, and ends for the client."""
    port = int(server.proxy_url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(f"CONNECT {hosts.OAUTH}:443 HTTP/1.1\r\n\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(raw, server_hostname=hosts.OAUTH) as tunnel:
            server.stop()
            assert _has_ended(tunnel)


@pytest.mark.timeout(60)
def test_a_stop_does_not_wait_for_a_handshake(server: IdentityServer) -> None:
    """A tunnel whose client has not begun TLS ends with the stop."""
    port = int(server.proxy_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(f"CONNECT {hosts.OAUTH}:443 HTTP/1.1\r\n\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        server.stop()
        assert raw.recv(1) == b""


def _has_ended(tunnel: ssl.SSLSocket) -> bool:
    try:
        return tunnel.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def test_the_authority_can_vouch_for_google_only(tmp_path: Path) -> None:
    """Its root is name-constrained: a certificate it signs for another domain is not believed."""
    authority = LocalAuthority(tmp_path)
    for name, believed in (("oauth2.googleapis.com", True), ("example.com", False)):
        assert _believes(authority, name) is believed


def _believes(authority: LocalAuthority, name: str) -> bool:
    """Whether a client that trusts the root accepts a server that shows a certificate for name."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = authority.server_context([name]).wrap_bio(to_server, to_client, server_side=True)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return client.version() is not None


def test_the_environment_needs_an_address(tmp_path: Path) -> None:
    """Before the first start there is no port to give to anybody."""
    with pytest.raises(RuntimeError, match="never started"):
        IdentityServer(tmp_path, project="heimdex-test").environment()


def test_a_restart_keeps_the_addresses(server: IdentityServer) -> None:
    """Processes that hold the environment go on after a stop and a start."""
    before = server.environment()
    server.stop()
    server.stop()
    server.start()
    server.start()
    assert server.environment() == before
    assert _get(server, CERTIFICATES).status_code == 200


def test_a_taken_port_is_an_error(server: IdentityServer, tmp_path: Path) -> None:
    """A start that cannot bind says so and leaves nothing running."""
    taken = int(server.url.rpartition(":")[2])
    second = IdentityServer(tmp_path / "second", project="heimdex-test", port=taken)
    with pytest.raises(OSError, match=r"(?i)address already in use"):
        second.start()
    second.stop()
    taken_proxy = int(server.proxy_url.rpartition(":")[2])
    third = IdentityServer(tmp_path / "third", project="heimdex-test", proxy_port=taken_proxy)
    with pytest.raises(OSError, match=r"(?i)address already in use"):
        third.start()
