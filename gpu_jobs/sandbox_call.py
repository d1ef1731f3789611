"""What the parent hands to the child process, and how the child answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.domain import Media

#: Exit codes of the child. Anything else, or a signal, is a crash.
EXIT_DONE: Final = 0
#: The answer is JSON with a code: the file is at fault.
EXIT_REFUSED: Final = 3
#: The child could not get ready; the file was never opened.
EXIT_UNPREPARED: Final = 4

#: Size of the answer, and of any file that the child writes.
MAX_ANSWER_BYTES: Final = 512 * 1024 * 1024
MAX_REFUSAL_BYTES: Final = 4 * 1024

#: Codes that a child may answer with; anything else is a crash.
REFUSALS: Final = frozenset(
    {
        "codec_not_allowed",
        "container_not_allowed",
        "decode_budget_exceeded",
        "decode_crashed",
        "duration_too_long",
        "empty_file",
        "encrypted",
        "external_reference",
        "frame_too_large",
        "no_video_stream",
        "not_video",
        "photo_too_large",
        "photo_unreadable",
        "too_many_decode_errors",
        "too_many_frames",
        "too_many_streams",
        "truncated",
        "type_mismatch",
    }
)


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One keyword argument: a value of `common.domain` as an artifact."""

    name: str
    #: Name of its class in `common.domain`.
    type: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call, as the child reads it from its standard input."""

    #: "package.module:function"; `progress` is given to it if it asks for that.
    function: str
    media: Media
    arguments: tuple[Argument, ...]
    #: Process id of the parent.
    parent: int
