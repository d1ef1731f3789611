"""What a client declares before it uploads, and whether it may be taken."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from common.errors import InputError
from common.videos import uploads
from common.videos.records import DeclaredObject
from common.web.models import BodyModel
from functions.api.titles import Title

#: Content types that are accepted, and the extension their objects get.
VIDEO_TYPES: Mapping[str, str] = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/webm": "webm",
    "video/x-msvideo": "avi",
    "video/3gpp": "3gp",
}
SUBTITLE_TYPES: Mapping[str, str] = {"application/x-subrip": "srt", "text/vtt": "vtt"}

MAX_SUBTITLES = 8
MAX_SUBTITLE_BYTES = 2 * 1024 * 1024


def _check_crc32c(value: str) -> str:
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != 4 or base64.b64encode(decoded).decode() != value:
        raise PydanticCustomError(
            "crc32c_format",
            "Base64 of the 4 bytes, big-endian.",
            {"ko": "빅 엔디언 4바이트의 Base64여야 합니다."},
        )
    return value


Crc32c = Annotated[str, Field(max_length=8), AfterValidator(_check_crc32c)]
#: BCP 47, as far as a primary language and simple subtags.
LanguageTag = Annotated[
    str,
    Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"),
    AfterValidator(str.lower),
]


class VideoFile(BodyModel):
    """The video that will be uploaded."""

    content_type: str = Field(max_length=100)
    """MP4, MOV, MKV, WebM, AVI or 3GP, as its media type."""
    size_bytes: int = Field(ge=0)
    """Exact size; the URL accepts no other."""
    crc32c: Crc32c | None = None
    """Checksum to compare with what arrives."""
    filename: str | None = Field(default=None, max_length=255)
    """Only used for a title, if none is given."""
    resumable: bool = True
    """Whether the URL starts a resumable session (POST) or takes the bytes at once (PUT)."""


class SubtitleFile(BodyModel):
    """A subtitle file that will be uploaded beside it."""

    language: LanguageTag
    content_type: str = Field(max_length=100)
    """`application/x-subrip` or `text/vtt`."""
    size_bytes: int = Field(ge=0)
    crc32c: Crc32c | None = None


class UploadRequest(BodyModel):
    """All files of one upload. Processing starts when all of them have arrived."""

    title: Title | None = None
    video: VideoFile
    subtitles: tuple[SubtitleFile, ...] = Field(default=(), max_length=MAX_SUBTITLES)


def declared_objects(
    request: UploadRequest, user_id: UUID, video_id: UUID, *, max_video_bytes: int
) -> list[DeclaredObject]:
    """The objects of an upload: the video, then its subtitle files.

    Raises:
        InputError: `content_type_not_allowed`, `file_too_large` or `empty_file`.
    """
    video = _declare_video(user_id, video_id, request.video, max_video_bytes)
    subtitles = (
        _declare_subtitles(user_id, video_id, ordinal, file)
        for ordinal, file in enumerate(request.subtitles, start=1)
    )
    return [video, *subtitles]


def _declare_video(
    user_id: UUID, video_id: UUID, file: VideoFile, max_bytes: int
) -> DeclaredObject:
    extension = _extension(VIDEO_TYPES, file.content_type)
    _check_size(file.size_bytes, max_bytes)
    return DeclaredObject(
        ordinal=uploads.VIDEO_ORDINAL,
        kind="video",
        language=None,
        object_name=uploads.video_name(user_id, video_id, extension),
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        crc32c=file.crc32c,
    )


def _declare_subtitles(
    user_id: UUID, video_id: UUID, ordinal: int, file: SubtitleFile
) -> DeclaredObject:
    extension = _extension(SUBTITLE_TYPES, file.content_type)
    _check_size(file.size_bytes, MAX_SUBTITLE_BYTES)
    return DeclaredObject(
        ordinal=ordinal,
        kind="subtitle",
        language=file.language,
        object_name=uploads.subtitle_name(user_id, video_id, ordinal, extension),
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        crc32c=file.crc32c,
    )


def _extension(types: Mapping[str, str], content_type: str) -> str:
    if content_type not in types:
        raise InputError("content_type_not_allowed", f"got {content_type!r}")
    return types[content_type]


def _check_size(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes == 0:
        raise InputError("empty_file")
    if size_bytes > limit_bytes:
        raise InputError("file_too_large", f"{size_bytes} > {limit_bytes} bytes")
