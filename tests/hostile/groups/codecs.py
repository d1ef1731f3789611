"""71–80: codecs off the list, protected files and a broken parameter set."""

from __future__ import annotations

from typing import Final

from tests.hostile import boxes
from tests.hostile.case import Case, Maker, raw
from tests.hostile.clips import clip

_CODEC: Final = "codec_not_allowed"


def _called(fourcc: bytes) -> Maker:
    """An MP4 whose video track names another codec."""

    def edit(root: boxes.Box) -> None:
        # Version, count, then the first entry: length and name.
        root.first(b"stsd").put(12, ">4B", *fourcc)

    return raw(lambda: boxes.edited(clip("mov", audio_codec="none"), edit))


def _protected() -> bytes:
    scheme = (
        ("encryption_scheme", "cenc-aes-ctr"),
        ("encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"),
        ("encryption_kid", "a7e61c373e219033c21091fa607bf3b8"),
    )
    return clip(container_options=scheme)


def _licence_garbage(root: boxes.Box) -> None:
    """A protection header for a system that nobody knows, of impossible length."""
    data = b"\x01\0\0\0" + b"\xee" * 16 + b"\xff" * 4 + b"garbage"
    root.first(b"moov").children.append(boxes.Box(kind=b"pssh", data=data))


def _broken_sps() -> bytes:
    """HEVC whose sequence parameter sets are all ones, in the header and in the pictures."""
    options = (("x265-params", "log-level=none"),)
    data = bytearray(
        clip("mkv", video_codec="libx265", audio_codec="none", shots_ms=(300,), options=options)
    )
    # The unit's header: type 33, layer 0.
    at = data.find(b"\x42\x01")
    while at >= 0:
        data[at + 2 : at + 20] = b"\xff" * 18
        at = data.find(b"\x42\x01", at + 20)
    return bytes(data)


CASES: Final = (
    Case(
        number=71,
        name="magicyuv",
        make=raw(lambda: clip("avi", video_codec="magicyuv", pixel_format="yuv444p")),
        expected=_CODEC,
        suffix="avi",
    ),
    Case(
        number=72,
        name="cineform",
        make=raw(lambda: clip("mov", video_codec="cfhd", pixel_format="yuv422p10le")),
        expected=_CODEC,
        suffix="mov",
    ),
    Case(
        number=73,
        name="bink",
        make=raw(lambda: b"BIKi" + bytes(4092)),
        expected="container_not_allowed",
        why="Bink is a container too, and recognised by its first bytes.",
    ),
    Case(number=74, name="prores raw", make=_called(b"aprn"), expected=_CODEC, suffix="mov"),
    Case(
        number=75,
        name="exr",
        make=_called(b"exr "),
        expected=_CODEC,
        suffix="mov",
    ),
    Case(number=76, name="vvc", make=_called(b"vvc1"), expected=_CODEC),
    Case(number=77, name="common encryption", make=raw(_protected), expected="encrypted"),
    Case(
        number=78,
        name="licence garbage",
        make=raw(lambda: boxes.edited(clip(), _licence_garbage)),
        expected="decode_budget_exceeded",
        why="FFmpeg asks for memory for 2^32 keys and is refused.",
    ),
    Case(number=79, name="fairplay", make=_called(b"drmi"), expected="encrypted"),
    Case(
        number=80,
        name="broken parameter set",
        make=raw(_broken_sps),
        expected="too_many_decode_errors",
        suffix="mkv",
    ),
)
