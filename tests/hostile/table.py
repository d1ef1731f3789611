"""All crafted inputs as data; docs/hostile-media.md says what the classes are."""

from __future__ import annotations

from typing import Final

from tests.hostile.case import Case
from tests.hostile.groups import damage, not_media, pictures, references

CASES: Final[tuple[Case, ...]] = (
    *not_media.CASES,
    *references.CASES,
    *damage.CASES,
    *pictures.CASES,
)
