"""placeholder until merged"""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from functions.search.model import Ranked


@dataclass(frozen=True, kw_only=True)
class MergedHit:
    best: Ranked
    parts: tuple[Ranked, ...]
    start_ms: int
    end_ms: int


def merge(hits: Sequence[Ranked]) -> list[MergedHit]:
    return [
        MergedHit(best=h, parts=(h,), start_ms=h.evidence.start_ms, end_ms=h.evidence.end_ms)
        for h in hits
    ]
