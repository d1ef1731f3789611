"""Stage `photo_normalise`: a person's photo as a small, bare JPEG."""

from __future__ import annotations

from common.domain import Media, Photo


def run(media: Media) -> Photo:
    """Decode a photo (JPEG, PNG, WebP or HEIC) and encode it anew.

    Args:
        media: the raw upload; runs in the limited child process (`gpu_jobs.sandbox`).

    Returns:
        Upright RGB, longest side at most 1600 px, no metadata.

    Raises:
        InputError: `photo_unreadable` or `photo_too_large`.
    """
    # Imported here because the worker imports this module for its table of stages, and must
    # never load a decoder itself.
    from gpu_jobs.media.photo import normalise

    return normalise(media)
