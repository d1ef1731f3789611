"""Subtitle files and embedded text tracks as cues: plain text with times.

Nothing here is FFmpeg's: the formats are simple, and their bytes are hostile until parsed.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from common.domain import Cue, CueTrack, SubtitleFile
from common.errors import InputError
from gpu_jobs.media.language import primary_language

#: Ten minutes of dense subtitles are 50 KB in 300 cues.
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_CUES: Final = 4_000
MAX_TEXT_CHARS: Final = 500
#: A cue of unknown length is shown this long.
_DEFAULT_CUE_MS: Final = 3_000

_CLOCK: Final = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING: Final = re.compile(rf"^[ \t]*{_CLOCK}[ \t]*-->[ \t]*{_CLOCK}[^\n]*$", re.MULTILINE)
#: `<i>`, `</font>`, `<v Name>`, `<c.yellow>`, `<00:00:01.000>`; not "3 < 4".
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>|<\d[\d:.]{0,20}>")
#: ASS overrides, which SRT files carry too: `{\an8}`.
_OVERRIDE: Final = re.compile(r"\{\\[^{}\n]{0,200}\}")
_BLANKS: Final = re.compile(r"\s+")
#: Controls and invisible direction marks; blanks are handled before.
_INVISIBLE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
#: Above this share of non-ASCII bytes a legacy file is taken for Korean rather than Western.
_DENSE_SHARE: Final = 0.15


def read_subtitle_file(file: SubtitleFile, *, duration_ms: int) -> CueTrack:
    """Parse an uploaded .srt or .vtt file.

    Args:
        file: where it is, its format and the declared language.
        duration_ms: of the video; cues after its end are dropped.

    Raises:
        InputError: `subtitle_unreadable` if it is too large, in no known encoding, or no cue can
            be found in it.
    """
    if file.path.stat().st_size > MAX_FILE_BYTES:
        raise InputError("subtitle_unreadable", f"more than {MAX_FILE_BYTES} bytes")
    text = decode_text(file.path.read_bytes(), language=file.language)
    cues = tidy(parse_cues(text, is_vtt=file.format == "vtt"), duration_ms=duration_ms)
    if not cues:
        raise InputError("subtitle_unreadable", f"no cues in {len(text)} characters")
    return CueTrack(language=primary_language(file.language), source="uploaded", cues=cues)


def decode_text(data: bytes, *, language: str) -> str:
    """Bytes of a subtitle file as text: UTF-8, UTF-16, or the legacy encodings still in use.

    Raises:
        InputError: `subtitle_unreadable`.
    """
    for encoding in _encodings(data, language):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("subtitle_unreadable", "unknown encoding")


def parse_cues(text: str, *, is_vtt: bool) -> Iterator[Cue]:
    """Cues of an SRT or WebVTT text in file order, times and text as they stand.

    Whatever is not a timing line with text after it (numbers, notes, styles) is skipped.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for count, match in enumerate(_TIMING.finditer(text)):
        if count >= MAX_CUES:
            return
        # A cue ends at the first empty line; players do the same.
        body = text[match.end() + 1 : match.end() + 1 + 2 * MAX_TEXT_CHARS]
        body = re.split(r"\n[ \t]*\n|\A[ \t]*\n", body, maxsplit=1)[0]
        fields = match.groups()
        yield Cue(
            start_ms=_milliseconds(fields[:4]),
            end_ms=_milliseconds(fields[4:]),
            text=plain_text(body, entities=is_vtt),
        )


def packet_text(data: bytes, codec: str) -> str:
    """The text of one packet of an embedded track.

    Args:
        data: the packet as the demuxer gave it.
        codec: "mov_text", "subrip", "srt", "webvtt", "ass", "ssa" or "text".
    """
    if codec == "mov_text":
        # 3GPP timed text: a 16-bit length, the text, then style boxes.
        data = data[2 : 2 + int.from_bytes(data[:2], "big")]
    is_utf16 = data.startswith((b"\xfe\xff", b"\xff\xfe"))
    text = data[: 4 * MAX_TEXT_CHARS].decode("utf-16" if is_utf16 else "utf-8", errors="replace")
    if codec in ("ass", "ssa"):
        # Matroska: ReadOrder, Layer, Style, Name, MarginL, MarginR, MarginV, Effect, Text.
        text = text.split(",", 8)[-1].replace(r"\N", " ").replace(r"\n", " ").replace(r"\h", " ")
    return plain_text(text, entities=codec == "webvtt")


def plain_text(text: str, *, entities: bool = False) -> str:
    """Without markup and control characters, on one line, NFC, at most `MAX_TEXT_CHARS`.

    Args:
        text: as the format has it.
        entities: whether the format writes `&amp;` for "&" (WebVTT does, SRT does not).
    """
    text = _OVERRIDE.sub("", _TAG.sub("", text))
    # After the tags, or "&lt;i&gt;" would be taken for one.
    text = html.unescape(text) if entities else text
    text = _INVISIBLE.sub("", _BLANKS.sub(" ", text))
    return unicodedata.normalize("NFC", text).strip()[:MAX_TEXT_CHARS]


def tidy(cues: Iterable[Cue], *, duration_ms: int) -> tuple[Cue, ...]:
    """Cues with text that lie within the video, ordered by start."""
    inside = (
        Cue(
            start_ms=max(cue.start_ms, 0),
            end_ms=min(cue.end_ms, duration_ms),
            text=cue.text,
        )
        for cue in cues
        if cue.text
    )
    return tuple(
        sorted((c for c in inside if c.start_ms < c.end_ms), key=lambda c: (c.start_ms, c.end_ms))
    )


class EmbeddedTrack:
    """Collects the cues of one text track while its packets stream by."""

    def __init__(self, *, codec: str, language: str) -> None:
        self._codec = codec
        self._language = language
        self._cues: list[Cue] = []

    def add(self, data: bytes, *, start_ms: int, length_ms: int) -> None:
        """Take one packet; an empty one is a gap."""
        if len(self._cues) >= MAX_CUES:
            return
        text = packet_text(data, self._codec)
        if text:
            end_ms = start_ms + (length_ms if length_ms > 0 else _DEFAULT_CUE_MS)
            self._cues.append(Cue(start_ms=start_ms, end_ms=end_ms, text=text))

    def finish(self, *, duration_ms: int) -> CueTrack:
        """All cues, ordered."""
        cues = tidy(self._cues, duration_ms=duration_ms)
        return CueTrack(language=self._language, source="embedded", cues=cues)


def _encodings(data: bytes, language: str) -> tuple[str, ...]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    if b"\x00" in data[:4]:
        # UTF-16 without a byte order mark: the digits of the first cue tell the order.
        return ("utf-16-be",) if data[:1] == b"\x00" else ("utf-16-le",)
    ascii_bytes = len(data.translate(None, bytes(range(0x80, 0x100))))
    dense = len(data) - ascii_bytes > len(data) * _DENSE_SHARE
    korean = dense or primary_language(language) == "ko"
    return ("utf-8-sig", *(("cp949",) if korean else ("cp1252", "cp949")))


def _milliseconds(fields: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, fraction = (field or "0" for field in fields)
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int(fraction.ljust(3, "0"))
