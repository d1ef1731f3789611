"""Good clips that crafted files start from, each encoded once."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.media import ClipSpec, write_clip

# The AV1 encoder is talkative; errors are enough.
os.environ.setdefault("SVT_LOG", "1")

#: One second of a drawn picture with sound.
SHORT = ClipSpec(shots_ms=(500, 500), width_px=160, height_px=96)


def clip(suffix: str = "mp4", **changes: Any) -> bytes:
    """A short clip of a container; changes are fields of `ClipSpec`."""
    return _clip(suffix, ClipSpec(**(SHORT.__dict__ | changes)))


def faststart(**changes: Any) -> bytes:
    """An MP4 with its index first."""
    return clip(container_options=(("movflags", "faststart"),), **changes)


def fragmented(**changes: Any) -> bytes:
    """An MP4 in fragments, as streaming servers and some recorders write it."""
    flags = "frag_keyframe+empty_moov+default_base_moof"
    return clip(container_options=(("movflags", flags),), **changes)


@cache
def _clip(suffix: str, spec: ClipSpec) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{suffix}"
        write_clip(path, spec)
        return path.read_bytes()
