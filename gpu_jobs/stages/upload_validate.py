"""Stage `upload_validate`: is this a video that we accept, and what is in it?"""

from __future__ import annotations

from common.domain import Media, Probe


def run(media: Media) -> Probe:
    """Check an upload against its limits without decoding more than its first picture.

    Args:
        media: the raw upload; runs in the limited child process (`gpu_jobs.sandbox`).

    Returns:
        What the file holds; `duration_ms` is counted from its packets.

    Raises:
        InputError: with a code of the media section of `common.errors.CODES`.
    """
    # Imported here because the worker imports this module for its table of stages, and must
    # never load a decoder itself.
    from gpu_jobs.media.probe import probe

    return probe(media)
