"""What a file is, decided from its own bytes before FFmpeg sees it.

FFmpeg's own probing picks among hundreds of demuxers, some of which open other files (a text that
starts with `ffconcat` is enough). So the container is recognised here and its demuxer is forced.
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Final

from common.errors import InputError

#: Enough for every signature below; a playlist names itself in its first lines.
HEAD_BYTES: Final = 64 * 1024


class Container(Enum):
    """The containers that are accepted; the value is FFmpeg's name of the demuxer."""

    MP4 = "mov"
    MATROSKA = "matroska"
    AVI = "avi"


_CONTENT_TYPES: Final = {
    "video/mp4": Container.MP4,
    "video/x-m4v": Container.MP4,
    "video/quicktime": Container.MP4,
    "video/3gpp": Container.MP4,
    "video/3gpp2": Container.MP4,
    "video/webm": Container.MATROSKA,
    "video/matroska": Container.MATROSKA,
    "video/x-matroska": Container.MATROSKA,
    "video/avi": Container.AVI,
    "video/msvideo": Container.AVI,
    "video/x-msvideo": Container.AVI,
    "video/vnd.avi": Container.AVI,
}

#: First box of an ISO base media or QuickTime file.
_FIRST_BOXES: Final = frozenset(
    {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof"}
)
#: Major brands of still pictures that share MP4's box format (HEIF, AVIF, Canon raw).
_PICTURE_BRANDS: Final = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"crx "}
)

#: Text that makes a player open something else.
_PLAYLIST: Final = re.compile(
    rb"\A(?:ffconcat\s|#EXTM3U|\[playlist\]|\[reference\]|v=0\s*\no=|<smil|<asx"
    rb"|SMILtext|RTSPtext|rtsptext|(?:file|stream)\s+['\"/\w]"
    rb"|(?:https?|rtsp|rtmp|file|concat|subfile|data|ftp|tcp|udp)[:,])",
    re.IGNORECASE,
)
_PLAYLIST_XML: Final = re.compile(rb"<(?:MPD|smil|asx|SmoothStreamingMedia)[\s>]", re.IGNORECASE)
#: Formats FFmpeg would read but that are not accepted.
_OTHER_MEDIA: Final = re.compile(
    rb"\A(?:OggS|FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\x00\x00\x01[\xba\xb3]|\x06\x0e\x2b\x34"
    rb"|YUV4MPEG2 |\.RMF|;FFMETADATA|\[Script Info\]|nut/multimedia|DKIF|BIK[a-k]|KB2[a-k]"
    rb"|\x00\x00\x00\x01[\x67\x40\x42\x27]|<\?xml.{0,2000}<(?:\w+:)?CompositionPlaylist"
    rb"|\{\s*\"tedcaptions\"|\{\s*\"captions\")",
    re.DOTALL,
)
_SOUND: Final = re.compile(
    rb"\A(?:ID3|fLaC|#!AMR|MThd|\xff[\xfb\xf3\xf2\xfa\xf1\xf9]|RIFF.{4}WAVE|FORM.{4}AIF|caff)",
    re.DOTALL,
)


def sniff(path: Path) -> Container:
    """Recognise the container of an upload by its first bytes.

    Raises:
        InputError: `empty_file`, `external_reference` (a playlist or script), `no_video_stream`
            (a sound file), `container_not_allowed` (a video of another kind) or `not_video`.
    """
    with path.open("rb") as file:
        return sniff_bytes(file.read(HEAD_BYTES))


def sniff_bytes(head: bytes) -> Container:
    """As `sniff`, on the first `HEAD_BYTES` of a file."""
    if not head:
        raise InputError("empty_file", "0 bytes")
    container = _accepted(head)
    if container is None:
        raise InputError(_refusal(head), f"starts with {head[:16].hex()}")
    return container


def check_content_type(declared: str, container: Container) -> None:
    """Check that a declared content type names the family of the container found.

    MP4, MOV and 3GP are one family, Matroska and WebM another. A type outside the list says
    nothing about the container and is let through.

    Raises:
        InputError: `type_mismatch`.
    """
    expected = _CONTENT_TYPES.get(declared.partition(";")[0].strip().lower())
    if expected is not None and expected is not container:
        raise InputError("type_mismatch", f"declared {declared!r}, found {container.name}")


def _accepted(head: bytes) -> Container | None:
    if head[4:8] in _FIRST_BOXES:
        picture = head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS
        return None if picture else Container.MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Container.MATROSKA
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"AVIX"):
        return Container.AVI
    return None


def _refusal(head: bytes) -> str:
    text = _as_text(head)
    if _PLAYLIST.match(text) or _PLAYLIST_XML.search(text[:4096]):
        return "external_reference"
    if _SOUND.match(head):
        return "no_video_stream"
    if _OTHER_MEDIA.match(text) or _is_transport_stream(head):
        return "container_not_allowed"
    return "not_video"


def _as_text(head: bytes) -> bytes:
    """Without byte order mark, leading blanks and comment lines, which script readers skip."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", errors="replace").encode()
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    while text.startswith(b"# "):
        text = text.partition(b"\n")[2].lstrip()
    return text


def _is_transport_stream(head: bytes) -> bool:
    """MPEG-TS has a sync byte every 188 bytes (192 with time codes)."""
    return any(
        len(head) > first + 2 * size and all(head[first + i * size] == 0x47 for i in range(3))
        for first, size in ((0, 188), (4, 192))
    )
