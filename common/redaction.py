"""What may enter a log, and in which form.

Two nets, one behind the other: fields whose name says that they hold what a person said, wrote or
is called, or a secret, are blanked; and all texts are searched for secrets by their shape.
"""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from pathlib import PurePath
from uuid import UUID

from common.errors import HeimdexError

REDACTED = "[redacted]"

#: A field is blanked when one of these is a word of its name (`id_token`, `display_names`).
#: Numbers pass: `token_count` and `text_ms` tell nothing.
_SAID = {"caption", "cue", "ocr", "phrase", "q", "query", "segment", "sentence", "speech"}
_WRITTEN = {"description", "subtitle", "text", "title", "transcript", "utterance", "word"}
_DERIVED = {"embedding", "vector"}
_CALLED = {"address", "alias", "aliases", "display", "email", "filename", "mail", "name", "phone"}
_CARRIED = {"attributes", "body", "cookie", "data", "headers", "payload"}
_SECRET = {"auth", "authorization", "bearer", "credential", "jwt", "password", "secret", "token"}
_SIGNED = {"link", "signature", "signed", "uri", "url"}
_DENIED_WORDS = frozenset(_SAID | _WRITTEN | _DERIVED | _CALLED | _CARRIED | _SECRET | _SIGNED)
_DENIED_NAMES = frozenset({"api_key", "private_key", "idempotency_key", "firebase_uid"})

_MAX_CHARS = 8_000
_MAX_ITEMS = 50
#: A longer run of numbers is a vector, whatever its name.
_MAX_NUMBERS = 16

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    # A JSON Web Token.
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(\.[\w-]*)?"), REDACTED),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE), REDACTED),
    # The query of a URL holds signatures, upload ids and what people search for.
    (re.compile(r"(\bhttps?://[^\s?#\"'<>]+)[?#][^\s\"'<>]+"), rf"\1?{REDACTED}"),
    (re.compile(r"\b(x-goog-[\w-]+|upload_id|access_token|id_token)=[^&\s\"']+", re.I), REDACTED),
    (re.compile(r"\b[\w.+-]+@[\w-]+(\.[\w-]+)+"), REDACTED),
)


def scrub(text: str) -> str:
    """The text without what looks like a token, a signed URL or an e-mail address."""
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + "…"


def clean(fields: Mapping[str, object], *, texts: bool) -> dict[str, object]:
    """Fields as they may be logged: values that JSON knows, nothing private.

    Args:
        fields: exceptions among them are spread over `error`, `code`, `detail`, `stack_trace`.
        texts: whether exceptions keep their text, which may quote anything.
    """
    cleaned: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, BaseException):
            cleaned |= describe(value, texts=texts)
        else:
            cleaned[name] = _value(name, value)
    return cleaned


def describe(error: BaseException, *, texts: bool) -> dict[str, object]:
    """An exception in parts; the stack has files, lines and code but no locals.

    The text of an exception that is not ours is left out unless `texts`: parsers, drivers and
    clients like to quote what they were given.
    """
    described: dict[str, object] = {"error": type(error).__name__}
    if isinstance(error, HeimdexError):
        described |= {"code": error.code, "retryable": error.retryable}
        if error.detail:
            described["detail"] = scrub(error.detail)
    described["stack_trace"] = _stack(error, texts=texts)
    return described


def _stack(error: BaseException, *, texts: bool) -> str:
    """Like Python's own traceback, with causes first; Error Reporting groups by it."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(traceback.format_tb(current.__traceback__))
        text = f": {current}" if texts or isinstance(current, HeimdexError) else ""
        parts.append(
            f"Traceback (most recent call last):\n{frames}{type(current).__name__}{text}\n"
        )
        implicit = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or implicit
    return scrub("\n".join(reversed(parts)))


def _value(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if _is_denied(name):
        return REDACTED
    if isinstance(value, str | UUID | PurePath | date | Enum):
        return scrub(str(value))
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MAX_ITEMS]
        return {str(key): _value(str(key), each) for key, each in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return _items(name, value)
    return f"[{type(value).__name__}]"


def _items(name: str, values: Iterable[object]) -> object:
    items = list(values)
    if len(items) > _MAX_NUMBERS and all(isinstance(each, int | float) for each in items):
        return REDACTED
    return [_value(name, each) for each in items[:_MAX_ITEMS]]


def _is_denied(name: str) -> bool:
    lower = name.lower()
    words = re.split(r"[^a-z0-9]+", lower)
    return lower in _DENIED_NAMES or any(
        word in _DENIED_WORDS or word.removesuffix("s") in _DENIED_WORDS for word in words
    )
