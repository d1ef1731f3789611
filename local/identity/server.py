"""The stand-in as one object: start it, give its environment to processes, stop it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from local.identity import hosts
from local.identity.access_tokens import AccessTokens
from local.identity.admin import Admin
from local.identity.authority import LocalAuthority
from local.identity.faults import Faults
from local.identity.iam import ServiceAccounts
from local.identity.keys import KeyRing
from local.identity.mail import Mail
from local.identity.project import Project
from local.identity.proxy import ConnectProxy
from local.identity.routes import RestApp, Route
from local.identity.sessions import TOKEN_KEY
from local.identity.state import State
from local.identity.toolkit import Toolkit
from local.identity.wire import Call
from local.serving import ServedApp

#: How long verifiers may keep the certificates. Google's are good for some hours.
_CERTIFICATES_MAX_AGE_S: Final = 3600
#: Never through the proxy: the other stand-ins.
_DIRECT: Final = "127.0.0.1,localhost"


class IdentityServer:
    """Firebase Auth, IAM Credentials and Google's OAuth endpoint on this machine.

    Args:
        root: directory of its state; accounts, keys and the authority survive restarts there.
        project: Firebase and Google Cloud project id.
        port: of the plain address (`url`); 0 picks a free one.
        proxy_port: of the CONNECT proxy (`proxy_url`); 0 picks a free one.
        clock: seconds since the epoch.
        faults: switches for tests.
    """

    def __init__(
        self,
        root: Path,
        *,
        project: str,
        port: int = 0,
        proxy_port: int = 0,
        clock: Callable[[], float] = time.time,
        faults: Faults | None = None,
    ) -> None:
        self.project = project
        self.faults = faults or Faults()
        self._root = root
        self._port = port
        self._proxy_port = proxy_port
        self._clock = clock
        self._keys = KeyRing(root / "keys")
        self._authority = LocalAuthority(root / "authority")
        self._tokens = AccessTokens(root / "access-token-secret", clock=clock)
        self._service_accounts = ServiceAccounts(
            root, keys=self._keys, tokens=self._tokens, clock=clock, project=project
        )
        self._running: _Running | None = None

    def start(self) -> None:
        """Serve; returns once connections are accepted. Raises OSError if it cannot."""
        if self._running is not None:
            return
        running = self._build()
        try:
            running.served.start()
        except BaseException:
            running.state.close()
            raise
        self._running = running
        # A restarted stand-in keeps its addresses: processes hold them in their environment.
        self._port, self._proxy_port = running.served.port, running.proxy.port

    def stop(self) -> None:
        """Stop serving; the state stays on disk."""
        if self._running is not None:
            self._running.served.stop()
            self._running.state.close()
            self._running = None

    @property
    def url(self) -> str:
        """Plain address: `{url}/identitytoolkit.googleapis.com/v1/…`, as of Firebase's emulator."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def proxy_url(self) -> str:
        """The CONNECT proxy, for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self._proxy_port}"

    @property
    def ca_file(self) -> Path:
        """Root certificate that the proxy's TLS chains to."""
        return self._authority.ca_file

    @property
    def refused_hosts(self) -> tuple[str, ...]:
        """`host:port` of the last tunnels that were asked for and refused."""
        return tuple(self._started.proxy.refused)

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment so that Google's libraries end up here.

        Both spellings of the proxy variables are given: libraries differ in which they prefer,
        and one left over from the parent must not win.

        Raises:
            RuntimeError: it was never started, so there is no address yet.
        """
        if not self._proxy_port:
            raise RuntimeError("the identity server was never started")
        proxies = {
            "HTTPS_PROXY": self.proxy_url,
            "HTTP_PROXY": self.proxy_url,
            "NO_PROXY": _DIRECT,
        }
        return {
            **proxies,
            **{name.lower(): value for name, value in proxies.items()},
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "SSL_CERT_FILE": str(self.ca_file),
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.application_default_credentials_file()),
            "GOOGLE_CLOUD_PROJECT": self.project,
            # There is no metadata server here; do not wait for one.
            "NO_GCE_CHECK": "true",
            # A workstation's device certificate would move IAM calls to other hosts.
            "GOOGLE_API_USE_CLIENT_CERTIFICATE": "false",
        }

    def application_default_credentials_file(self) -> Path:
        """A service-account file for GOOGLE_APPLICATION_CREDENTIALS."""
        return self._service_accounts.key_file()

    def public_key_for(self, email: str) -> rsa.RSAPublicKey | None:
        """The key that verifies what `email` signed; None if it never signed anything."""
        key = self._keys.find(email)
        return key.private_key.public_key() if key else None

    def email_of_access_token(self, token: str) -> str | None:
        """The service account behind a valid access token; None for any other string."""
        return self._tokens.email_of(token)

    def outbox(self) -> tuple[Mail, ...]:
        """Mail whose code was not used yet, oldest first."""
        return self._started.project.outbox.unread()

    def _build(self) -> _Running:
        state = State(self._root / "identity.sqlite")
        project = Project.open(state, project_id=self.project, keys=self._keys, clock=self._clock)
        routes = [
            *Toolkit(project).routes(),
            *Admin(project).routes(),
            *self._service_accounts.routes(),
            _certificates(project),
        ]
        app = RestApp(routes, tokens=self._tokens, faults=self.faults).application()
        served = ServedApp(app, port=self._port)
        proxy = ConnectProxy(
            hosts=hosts.ALL,
            tls=self._authority.server_context(hosts.ALL),
            upstream_port=lambda: served.port,
            port=self._proxy_port,
        )
        app.cleanup_ctx.append(_beside(proxy))
        return _Running(state=state, project=project, proxy=proxy, served=served)

    @property
    def _started(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the identity server is not started")
        return self._running

    def __enter__(self) -> IdentityServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@dataclass(frozen=True, kw_only=True)
class _Running:
    """What exists between a start and the stop."""

    state: State
    project: Project
    proxy: ConnectProxy
    served: ServedApp


def _beside(proxy: ConnectProxy) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        await proxy.start()
        yield
        await proxy.stop()

    return run


def _certificates(project: Project) -> Route:
    async def answer(call: Call) -> Mapping[str, str]:
        return project.sessions.certificates

    return Route(
        method="GET",
        host=hosts.CERTIFICATES,
        path=f"/robot/v1/metadata/x509/{TOKEN_KEY}",
        handler=answer,
        max_age_s=_CERTIFICATES_MAX_AGE_S,
    )
