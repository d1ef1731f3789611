"""The parser of subtitle files as a function for the sandbox, which the decode pass calls it in."""

from __future__ import annotations

from common.domain import CueTrack, Media
from common.errors import InputError
from gpu_jobs.media.subtitles import read_subtitle_file

#: A language that no track has: the file could not be read.
UNREADABLE = "unreadable"


def read(media: Media) -> CueTrack:
    """The cues of the only subtitle file.

    Args:
        media: its first subtitle file is read, for a video of a minute.
    """
    try:
        return read_subtitle_file(media.subtitles[0], duration_ms=60_000)
    except InputError as error:
        if error.code != "subtitle_unreadable":
            raise
        # As the decode pass does: the video does without.
        return CueTrack(language=UNREADABLE, source="uploaded", cues=())
