"""Subtitle files and tracks as cues."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain import Cue, SubtitleFile
from common.errors import InputError
from gpu_jobs.media import subtitles
from tests.media import subtitle_text

KOREAN = ((500, 1_500, "민지가 손을 흔든다"), (61_000, 62_500, "빨간 차 <i>밤에</i>"))


def read(path: Path, *, language: str = "ko", duration_ms: int = 600_000) -> tuple[Cue, ...]:
    """Parse a file; its suffix is the format."""
    kind: Literal["srt", "vtt"] = "srt" if path.suffix == ".srt" else "vtt"
    file = SubtitleFile(path=path, format=kind, language=language)
    return subtitles.read_subtitle_file(file, duration_ms=duration_ms).cues


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp949"])
@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_korean_in_every_encoding(tmp_path: Path, kind: str, encoding: str) -> None:
    """UTF-8, UTF-16 and the legacy Korean encoding give the same cues."""
    path = tmp_path / f"s.{kind}"
    path.write_bytes(subtitle_text(KOREAN, kind=kind).encode(encoding))
    assert read(path) == (
        Cue(start_ms=500, end_ms=1_500, text="민지가 손을 흔든다"),
        Cue(start_ms=61_000, end_ms=62_500, text="빨간 차 밤에"),
    )


def test_western_legacy_files(tmp_path: Path) -> None:
    """An undeclared single-byte file with few accents is read as Western."""
    path = tmp_path / "s.srt"
    path.write_bytes(subtitle_text([(0, 1000, "Le café est fermé")], kind="srt").encode("cp1252"))
    assert read(path, language="fr")[0].text == "Le café est fermé"


def test_decomposed_hangul_is_composed(tmp_path: Path) -> None:
    """Text from a Mac is normalised to NFC."""
    path = tmp_path / "s.srt"
    path.write_text(subtitle_text([(0, 1000, "\u1106\u1175\u11ab\u110c\u1175")], kind="srt"))
    assert read(path)[0].text == "민지"


def test_webvtt_extras_are_left_out(tmp_path: Path) -> None:
    """Notes, styles, identifiers, settings, voices, entities and inner timestamps are no text."""
    path = tmp_path / "s.vtt"
    path.write_text(
        "WEBVTT - title\n\nSTYLE\n::cue { color: red }\n\nNOTE 00:01 --> nothing\n\n"
        "intro\n00:01.000 --> 00:02.500 line:0 align:start\n"
        "<v Anna>Hi &amp; <c.yellow>bye</c>\n<00:02.000>&lt;i&gt;\n\n"
        "01:00:00.000 --> 01:00:01.000\nlate\n"
    )
    assert read(path) == (Cue(start_ms=1_000, end_ms=2_500, text="Hi & bye <i>"),)


def test_srt_quirks(tmp_path: Path) -> None:
    """Windows lines, missing numbers, overrides, short fractions and empty cues are understood."""
    path = tmp_path / "s.srt"
    path.write_bytes(
        b'00:00:01,5 --> 00:00:02,000\r\n{\\an8}<font color="red">one</font>\r\ntwo < 3\r\n\r\n'
        b"2\r\n00:00:03,000 --> 00:00:04,000\r\n\r\n"
        b"3\r\n00:00:05.000 --> 00:00:06.000\r\nthree\r\n"
    )
    assert [(cue.start_ms, cue.text) for cue in read(path)] == [
        (1_500, "one two < 3"),
        (5_000, "three"),
    ]


@pytest.mark.parametrize("mark", "\u061c\u200b\u200f\u202e\u2060\u2067\u2069\ufeff")
def test_invisible_marks_are_left_out(tmp_path: Path, mark: str) -> None:
    """Nothing in a cue makes the text around it read differently."""
    path = tmp_path / "s.srt"
    path.write_text(subtitle_text([(0, 1_000, f"photo{mark}gnp.exe")], kind="srt"))
    assert [cue.text for cue in read(path)] == ["photognp.exe"]


def test_cues_are_ordered_and_inside_the_video(tmp_path: Path) -> None:
    """Cues are sorted, cut at the end of the video, and dropped when nothing is left."""
    path = tmp_path / "s.srt"
    cues = [(4_000, 9_000, "b"), (1_000, 2_000, "a"), (6_000, 7_000, "gone"), (3_000, 2_000, "x")]
    path.write_text(subtitle_text(cues, kind="srt"))
    assert [(c.start_ms, c.end_ms, c.text) for c in read(path, duration_ms=5_000)] == [
        (1_000, 2_000, "a"),
        (4_000, 5_000, "b"),
    ]


@pytest.mark.parametrize(
    "data", [b"", b"just text", b"\x00" * 100, b"\xff\xfe\x00", bytes(range(256))]
)
def test_an_unreadable_file_is_named(tmp_path: Path, data: bytes) -> None:
    """A file without cues or in no known encoding has its own code."""
    path = tmp_path / "s.srt"
    path.write_bytes(data)
    with pytest.raises(InputError) as raised:
        read(path)
    assert raised.value.code == "subtitle_unreadable"


def test_hostile_sizes_are_bounded(tmp_path: Path) -> None:
    """A huge file is refused unread; very many or very long cues are cut, and fast."""
    path = tmp_path / "s.srt"
    path.write_bytes(b"x" * (subtitles.MAX_FILE_BYTES + 1))
    with pytest.raises(InputError):
        read(path)
    line = "00:00:01,000 --> 00:00:02,000\n" + "<a" * 400 + "\n\n"
    path.write_text((line * 9_000)[: subtitles.MAX_FILE_BYTES])
    started = time.process_time()
    cues = read(path)
    assert time.process_time() - started < 5
    assert len(cues) <= subtitles.MAX_CUES
    assert all(len(cue.text) <= subtitles.MAX_TEXT_CHARS for cue in cues)


@given(st.binary(max_size=400), st.sampled_from(["mov_text", "subrip", "webvtt", "ass"]))
def test_any_packet_gives_text(data: bytes, codec: str) -> None:
    """No packet, however damaged, raises or leaves control characters in the text."""
    text = subtitles.packet_text(data, codec)
    assert len(text) <= subtitles.MAX_TEXT_CHARS
    assert not any(character < " " for character in text)


@given(st.text(max_size=300), st.booleans())
def test_any_text_gives_cues_or_none(text: str, is_vtt: bool) -> None:
    """Any text can be parsed."""
    assert isinstance(list(subtitles.parse_cues(text, is_vtt=is_vtt)), list)


@pytest.mark.parametrize(
    ("codec", "data", "text"),
    [
        ("mov_text", b"\x00\x05helloSTYL", "hello"),
        ("mov_text", b"\x00\x06\xfe\xff\xbb\xfc\xc9\xc0", "민지"),
        ("mov_text", b"\x00\x00", ""),
        ("ass", b"0,0,Default,,0,0,0,,{\\i1}one\\Ntwo, three", "one two, three"),
        ("subrip", b"<b>a</b> &amp; b", "a &amp; b"),
        ("webvtt", b"a &amp; b", "a & b"),
    ],
)
def test_packets_of_every_text_codec(codec: str, data: bytes, text: str) -> None:
    """The payload of each codec is read as its format says."""
    assert subtitles.packet_text(data, codec) == text
