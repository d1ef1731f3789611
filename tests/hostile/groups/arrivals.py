"""101–106: objects in the bucket that are not what was announced.

What is told by the object alone is run through the ledger, by
`tests/integration/test_hostile_arrivals.py`.
"""

from __future__ import annotations

from typing import Final

from tests.hostile.case import ACCEPTED, Case, raw
from tests.hostile.clips import clip


def _case(number: int, name: str, expected: str, why: str = "") -> Case:
    return Case(
        number=number,
        name=name,
        make=raw(lambda: b""),
        expected=expected,
        why=why,
        where="ledger",
    )


CASES: Final = (
    _case(101, "another size", "size_mismatch"),
    _case(102, "another checksum", "hash_mismatch"),
    _case(103, "another type", "type_mismatch"),
    Case(
        number=103,
        name="content of another type",
        make=raw(clip),
        content_type="video/webm",
        expected="type_mismatch",
    ),
    _case(104, "never announced", "intent_unknown"),
    _case(
        105,
        "too late",
        "upload_expired",
        "One code for all that expires; the video has failed before the object comes.",
    ),
    _case(
        106,
        "replaced",
        ACCEPTED,
        "Its URL forbids that; should it happen all the same, the newer object is indexed alone.",
    ),
)
