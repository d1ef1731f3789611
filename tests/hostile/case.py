"""What a crafted input is, and what its maker is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from common.domain import MediaLimits

#: The outcome of a file that is indexed, beside the codes of `common.errors`.
ACCEPTED: Final = "accepted"
#: For inputs whose code may change with the next FFmpeg; what never may is checked for all.
ANY: Final = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a crafted file is written, and what it may try to reach from there."""

    #: The file to write; its name is the server's, never the user's.
    path: Path
    #: A good video in the same folder, magenta all over, with `CANARY` in a subtitle track.
    canary: Path
    #: A text in the same folder that says `CANARY`.
    secret: Path
    #: Host and port that somebody listens on.
    honeypot: str


#: In no output whatever; magenta pictures neither.
CANARY: Final = "heimdex-canary-7c1f"

Maker = Callable[[Place], None]


#: Production allows more of both; on an idle machine all take a second or two.
LIMITS: Final = MediaLimits(wall_budget_s=60.0, memory_bytes=2 << 30)


@dataclass(frozen=True, kw_only=True)
class Golden:
    """What is known of an accepted clip; times hold to within one frame."""

    duration_ms: int
    cuts_ms: tuple[int, ...] = ()
    size_px: tuple[int, int] = (0, 0)
    rotation_deg: int = 0
    frame_ms: int = 34


@dataclass(frozen=True, kw_only=True)
class Case:
    """One input and what becomes of it."""

    #: Its number in the list of classes (docs/hostile-media.md); several cases may share one.
    number: int
    name: str
    make: Maker
    #: A code of `common.errors`, `ACCEPTED` or `ANY`; several are separated by "|".
    expected: str
    #: Why our answer is not the obvious one.
    why: str = ""
    suffix: str = "mp4"
    content_type: str = ""
    #: Warnings of the accepted ones.
    warnings: tuple[str, ...] = ()
    #: What an accepted one must come to.
    golden: Golden | None = None
    #: Instead of the two stages: "package.module:function" that misbehaves in the child.
    function: str = ""
    #: "ledger": no file, but an arrival in the bucket that is not as announced.
    where: Literal["media", "ledger"] = "media"
    limits: MediaLimits = LIMITS
    #: Takes too long for every run.
    deep: bool = False

    @property
    def id(self) -> str:
        """Number and name, as test ids have it."""
        return f"{self.number:03}-{self.name.replace(' ', '-')}"

    @property
    def codes(self) -> frozenset[str]:
        """The outcomes that are right; none for `ANY`."""
        return frozenset(self.expected.split("|")) - {ANY}


def text(content: str) -> Maker:
    """A maker of a text file; names of what is in the place are filled in."""

    def make(place: Place) -> None:
        filled = content
        for name, value in (
            ("{canary}", str(place.canary)),
            ("{sibling}", place.canary.name),
            ("{secret}", str(place.secret)),
            ("{honeypot}", place.honeypot),
            ("{self}", place.path.name),
        ):
            filled = filled.replace(name, value)
        place.path.write_text(filled)

    return make


def raw(content: Callable[[], bytes]) -> Maker:
    """A maker of a file with these bytes."""

    def make(place: Place) -> None:
        place.path.write_bytes(content())

    return make
