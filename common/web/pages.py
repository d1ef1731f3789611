"""Opaque page tokens: where a list goes on, signed.

A token holds the position after which the next page starts, and a MAC that also covers the
tenant, the route and every other parameter of the list. A token of another tenant, another list or
other filters, or one with any byte changed, is refused with one answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from common.config import Settings
from common.errors import ConfigError, InputError

#: The last item of a page, as its sort key.
Position = tuple[str | int, ...]

_VERSION = 1
_MAC_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class PageScope:
    """What a token is valid for."""

    user_id: UUID
    #: Method and concrete path, e.g. `GET /v1/videos`.
    route: str
    #: Canonical text of all parameters but page_size and page_token.
    parameters: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page a request asks for.

    Args:
        size: at most this many items, 1–100.
        after: sort key of the last item of the page before; None for the first page.
        seal: makes a token of a position, in this request's scope.
    """

    size: int
    after: Position | None
    seal: Callable[[Position], str]

    def next(self, position: Position) -> str:
        """The token of the page that starts after `position`."""
        return self.seal(position)


class PageTokens:
    """Makes and checks tokens with one secret key.

    Args:
        key: the same secret in all instances of a function.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, settings: Settings) -> PageTokens:
        """With the configured key.

        Raises:
            ConfigError: none is configured.
        """
        key = settings.token_key.get_secret_value()
        if not key:
            raise ConfigError("HEIMDEX_TOKEN_KEY must be set")
        return cls(key.encode())

    def page(self, scope: PageScope, *, size: int, token: str | None) -> Page:
        """The page a request asks for.

        Raises:
            InputError: `invalid_page_token`.
        """
        after = self.open(token, scope) if token is not None else None
        return Page(size=size, after=after, seal=lambda position: self.seal(position, scope))

    def seal(self, position: Position, scope: PageScope) -> str:
        """The token of a position."""
        payload = json.dumps(position, ensure_ascii=False, separators=(",", ":")).encode()
        return _encode(self._mac(payload, scope) + payload)

    def open(self, token: str, scope: PageScope) -> Position:
        """The position in a token.

        Raises:
            InputError: `invalid_page_token`: not one of ours, or not for this scope.
        """
        data = _decode(token)
        mac, payload = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, scope)):
            raise InputError("invalid_page_token")
        return tuple(json.loads(payload))

    def _mac(self, payload: bytes, scope: PageScope) -> bytes:
        covered = [_VERSION, str(scope.user_id), scope.route, scope.parameters]
        message = json.dumps(covered).encode() + b"\0" + payload
        return hmac.new(self._key, message, hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(token: str) -> bytes:
    """The bytes of a token; only the one canonical spelling is accepted."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("invalid_page_token") from error
    if _encode(data) != token:
        raise InputError("invalid_page_token")
    return data
