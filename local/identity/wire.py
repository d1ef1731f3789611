"""Requests and errors as Google's REST services spell them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: JSON can escape half of a character, which no encoding can carry on.
_SURROGATE = re.compile("[\ud800-\udfff]")


class ApiError(Exception):
    """An answer other than 200.

    Args:
        status: HTTP status.
        body: the JSON document to send.
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body

    @classmethod
    def toolkit(cls, message: str) -> ApiError:
        """Identity Toolkit's 400: `message` starts with a code that the SDKs read."""
        cause = {"message": message, "domain": "global", "reason": "invalid"}
        return cls(400, {"error": {"code": 400, "message": message, "errors": [cause]}})

    @classmethod
    def google(cls, status: int, name: str, message: str) -> ApiError:
        """The error of Google's newer APIs; `name` is a canonical code such as NOT_FOUND."""
        return cls(status, {"error": {"code": status, "message": message, "status": name}})

    @classmethod
    def oauth(cls, error: str, description: str) -> ApiError:
        """RFC 6749 section 5.2."""
        return cls(400, {"error": error, "error_description": description})


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, decoded."""

    #: Named groups of the route's path.
    path: Mapping[str, str]
    #: API key of the query string, or "".
    api_key: str
    #: Token of the Authorization header, or "".
    bearer: str
    #: JSON object or form fields.
    body: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A string field; "" when absent.

        Raises:
            ApiError: it is there and is not a string of Unicode characters.
        """
        value = self.body.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or _SURROGATE.search(value):
            raise _invalid(name)
        return value

    def flag(self, name: str) -> bool | None:
        """A boolean field; None when absent.

        Raises:
            ApiError: it is there and is not a boolean.
        """
        value = self.body.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise _invalid(name)

    def number(self, name: str) -> int | None:
        """An integer field, which JSON may also carry as a string; None when absent.

        Raises:
            ApiError: it is there and is not an integer.
        """
        value = self.body.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        raise _invalid(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """A field that lists strings; empty when absent.

        Raises:
            ApiError: it is there and is not a list of strings.
        """
        value = self.body.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _invalid(name)
        return tuple(value)


def _invalid(name: str) -> ApiError:
    return ApiError.google(400, "INVALID_ARGUMENT", f"Invalid value at '{name}'")
