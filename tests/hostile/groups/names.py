"""95–100: titles, names and places in the metadata; none of them is ever stored."""

from __future__ import annotations

from typing import Final

from tests.hostile.case import ACCEPTED, CANARY, Case, Maker, raw
from tests.hostile.clips import clip
from tests.media import SubtitleSpec


def _titled(title: str, suffix: str = "mp4") -> Maker:
    return raw(lambda: clip(suffix, metadata=(("title", f"{CANARY} {title}"),)))


def _bad_bytes() -> bytes:
    """The title's blanks become bytes that no UTF-8 has; the length stays."""
    data = clip("mkv", metadata=(("title", f"{CANARY} {' ' * 40}"), ("artist", CANARY)))
    return data.replace(b" " * 40, b"\xff\xfe\xc3\x28" * 10)


def _zeros() -> bytes:
    data = clip("mkv", metadata=(("title", f"{CANARY} {'~' * 8}"),))
    return data.replace(b"~" * 8, b"\0" * 8)


def _subtitled(text: str) -> Maker:
    """The same in a cue, which is stored."""
    track = SubtitleSpec(language="eng", codec="subrip", cues=((100, 900, text),))
    return raw(lambda: clip("mkv", subtitles=(track,), metadata=(("title", f"{CANARY} {text}"),)))


CASES: Final = (
    Case(number=95, name="title not utf8", make=raw(_bad_bytes), expected=ACCEPTED, suffix="mkv"),
    Case(
        number=96,
        name="title of 1 MB",
        make=_titled("x" * 1_000_000, "mkv"),
        expected=ACCEPTED,
        suffix="mkv",
    ),
    Case(number=97, name="title with zeros", make=raw(_zeros), expected=ACCEPTED, suffix="mkv"),
    Case(
        number=98,
        name="right to left override",
        make=_subtitled("harmless\u202e\u2067gnp\u2069.exe"),
        expected=ACCEPTED,
        suffix="mkv",
    ),
    Case(
        number=99,
        name="script",
        make=_subtitled("<script>alert(1)</script>hello"),
        expected=ACCEPTED,
        suffix="mkv",
    ),
    Case(
        number=100,
        name="place of recording",
        make=raw(lambda: clip("mov", metadata=(("location", f"+37.5665+126.9780/{CANARY}"),))),
        expected=ACCEPTED,
        suffix="mov",
    ),
)
