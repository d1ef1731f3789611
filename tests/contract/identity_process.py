"""The parent's side of `identity_child.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from local.identity import IdentityServer

PROJECT = "heimdex-test"
_ROOT = Path(__file__).parents[2]


class ClientProcess:
    """A process with Google's libraries, in the environment that the stand-in asks for.

    Args:
        server: the stand-in.
        database_url: of the API function, if it is asked for anything.
    """

    def __init__(self, server: IdentityServer, *, database_url: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.identity_child"],
            cwd=_ROOT,
            env=_environment(server.environment(), database_url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, call: str, **arguments: object) -> dict[str, Any]:
        """One call of the child."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, **arguments}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def request(self, method: str, path: str, headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """A request to the API function: its status, headers and body."""
        return self.ask("request", method=method, path=path, headers=list(headers))

    def authenticate(self, token: str, *, check_revoked: bool = False) -> dict[str, Any]:
        """What Heimdex makes of a bearer token."""
        return self.ask("authenticate", header=f"Bearer {token}", check_revoked=check_revoked)

    def verify(self, token: str, *, check_revoked: bool = False) -> dict[str, Any]:
        """What firebase-admin makes of a token."""
        return self.ask("verify", token=token, check_revoked=check_revoked)

    def __enter__(self) -> ClientProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


def _environment(identity: Mapping[str, str], database_url: str) -> dict[str, str]:
    return {
        **os.environ,
        **identity,
        "HEIMDEX_PROJECT": PROJECT,
        "HEIMDEX_UPLOADS_BUCKET": "uploads",
        "HEIMDEX_ARTIFACTS_BUCKET": "artifacts",
        "HEIMDEX_TOKEN_KEY": "a key",
        "HEIMDEX_DATABASE_URL": database_url,
    }
