"""81–88: what cameras and sites really make, which must not be taken for an attack."""

from __future__ import annotations

from typing import Any, Final

from tests.hostile.case import ACCEPTED, Case, Golden, raw
from tests.hostile.clips import clip

_SHOTS: Final = (1500, 1500)
_SIZE: Final = (160, 96)
_CUT: Final = Golden(duration_ms=3000, cuts_ms=(1500,), size_px=_SIZE)
#: Between 24 and 60 frames per second, as a phone in changing light.
_UNEVEN: Final = tuple(
    sorted({round(i * 40 + 12 * (i % 3)) for i in range(38)} | set(range(1500, 3000, 25)))
)


def _real(number: int, name: str, golden: Golden = _CUT, suffix: str = "mp4", **spec: Any) -> Case:
    return Case(
        number=number,
        name=name,
        make=raw(lambda: clip(suffix, **({"shots_ms": _SHOTS} | spec))),
        expected=ACCEPTED,
        suffix=suffix,
        golden=golden,
    )


CASES: Final = (
    _real(81, "variable frame rate", times_ms=_UNEVEN),
    _real(
        82,
        "rotated",
        Golden(duration_ms=3000, cuts_ms=(1500,), size_px=(96, 160), rotation_deg=90),
        rotation_deg=90,
    ),
    _real(
        83,
        "hdr",
        video_codec="libx265",
        pixel_format="yuv420p10le",
        options=(
            ("x265-params", "log-level=none:colorprim=bt2020:transfer=smpte2084:hdr10=1"),
            ("preset", "ultrafast"),
        ),
    ),
    _real(84, "interlaced", options=(("x264-params", "interlaced=1:tff=1"),)),
    _real(
        85,
        "open groups of pictures",
        options=(("preset", "veryfast"), ("x264-params", "open-gop=1:bframes=3:keyint=12")),
    ),
    _real(
        86,
        "start offset",
        Golden(duration_ms=2500, cuts_ms=(1000,), size_px=_SIZE),
        times_ms=tuple(range(500, 3000, 25)),
        audio_codec="none",
    ),
    _real(
        87,
        "vp9 with transparency",
        suffix="webm",
        video_codec="libvpx-vp9",
        pixel_format="yuva420p",
        options=(("deadline", "realtime"), ("cpu-used", "8")),
    ),
    _real(
        88,
        "av1 with film grain",
        suffix="mkv",
        video_codec="libsvtav1",
        options=(("preset", "12"), ("svtav1-params", "film-grain=20")),
    ),
)
