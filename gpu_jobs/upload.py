"""The raw upload as local files, for the media lane alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import cast

from common.domain import Media, MediaLimits, SubtitleFile, SubtitleFormat
from common.errors import NotFoundError, TransientError
from common.ledger.photos import StoredPhoto
from common.ledger.uploads import DeclaredObject
from common.ports import Objects


@contextmanager
def downloaded(
    store: Objects, bucket: str, objects: Sequence[DeclaredObject], limits: MediaLimits
) -> Iterator[Media]:
    """Download the objects of an upload into a folder that is removed afterwards.

    Each is read at the generation that was checked when it arrived.

    Raises:
        NotFoundError: the upload has no video, or an object is gone.
        TransientError: Cloud Storage did not answer, the disk is full, or an object was replaced.
    """
    with tempfile.TemporaryDirectory(prefix="heimdex-upload-") as scratch:
        files = {
            declared.ordinal: _download(store, bucket, declared, Path(scratch))
            for declared in objects
        }
        video = next((declared for declared in objects if declared.kind == "video"), None)
        if video is None:
            raise NotFoundError("the upload has no video")
        yield Media(
            path=files[video.ordinal],
            size_bytes=video.size_bytes,
            content_type=video.content_type,
            subtitles=tuple(
                _subtitle(declared, files[declared.ordinal])
                for declared in objects
                if declared.kind == "subtitle"
            ),
            limits=limits,
        )


@contextmanager
def downloaded_photo(
    store: Objects, bucket: str, photo: StoredPhoto, limits: MediaLimits
) -> Iterator[Media]:
    """Download a person's photo into a folder that is removed afterwards.

    Raises:
        NotFoundError: it is gone.
        TransientError: Cloud Storage did not answer, or the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="heimdex-photo-") as scratch:
        path = Path(scratch) / "photo"
        store.download(bucket, photo.object_name, path, generation=photo.generation)
        yield Media(
            path=path,
            size_bytes=photo.size_bytes,
            content_type=photo.content_type,
            limits=limits,
        )


def _download(store: Objects, bucket: str, declared: DeclaredObject, scratch: Path) -> Path:
    path = scratch / f"{declared.kind}{declared.ordinal}{PurePosixPath(declared.name).suffix}"
    try:
        store.download(bucket, declared.name, path, generation=declared.generation)
    except NotFoundError:
        if store.stat(bucket, declared.name) is None:
            raise
        # Its event is on the way, and cancels this run. To fail the video now would be for good.
        raise TransientError(detail=f"{declared.name}: a newer object took its place") from None
    return path


def _subtitle(declared: DeclaredObject, path: Path) -> SubtitleFile:
    # The API lets no other suffix be declared.
    suffix = cast(SubtitleFormat, path.suffix.removeprefix("."))
    return SubtitleFile(path=path, format=suffix, language=declared.language)
