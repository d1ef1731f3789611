"""The labelled pairs: a short query, and a spoken line that answers it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Written for this and used for nothing else. Tab-separated, with a heading.
PAIRS_PATH: Final = Path(__file__).with_name("pairs.tsv")
_HEADING: Final = ["query", "line", "language"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A query and the line that answers it; every other line does not."""

    query: str
    line: str
    #: "en" or "ko".
    language: str


def read(path: Path = PAIRS_PATH) -> list[Pair]:
    """The pairs of a file.

    Raises:
        ValueError: its heading or a row is not as expected, or a text occurs twice.
    """
    heading, *rows = [row.split("\t") for row in path.read_text(encoding="utf-8").splitlines()]
    if heading != _HEADING:
        raise ValueError(f"{path}: the heading is {heading}, expected {_HEADING}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(_HEADING) or not all(row) or row[2] not in ("en", "ko"):
            raise ValueError(f"{path}:{number}: not a query, a line and en or ko: {row}")
    texts = [text for query, line, _ in rows for text in (query, line)]
    if len(set(texts)) < len(texts):
        raise ValueError(f"{path}: a query or a line occurs twice")
    return [Pair(query=query, line=line, language=language) for query, line, language in rows]


def digest(path: Path = PAIRS_PATH) -> str:
    """SHA-256 of the file, as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
