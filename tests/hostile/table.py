"""All crafted inputs as data; docs/hostile-media.md says what the classes are."""

from __future__ import annotations

from typing import Final

from tests.hostile.case import Case
from tests.hostile.groups import (
    arrivals,
    carriers,
    codecs,
    damage,
    decoders,
    exploits,
    names,
    not_media,
    phones,
    pictures,
    references,
    sounds,
)

CASES: Final[tuple[Case, ...]] = (
    *not_media.CASES,
    *references.CASES,
    *carriers.CASES,
    *damage.CASES,
    *pictures.CASES,
    *codecs.CASES,
    *phones.CASES,
    *sounds.CASES,
    *names.CASES,
    *arrivals.CASES,
    *decoders.CASES,
    *exploits.CASES,
)
