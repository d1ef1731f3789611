"""Stages `audio_extract`, `scene_detect` and `vision_sample_frames`: one decode of the file."""

from __future__ import annotations

from collections.abc import Callable

from common.domain import DecodePass, Media, Probe


def run(media: Media, *, upload_validate: Probe, progress: Callable[[float], None]) -> DecodePass:
    """Read the upload once and take sound, cues, scenes and pictures out of it.

    Args:
        media: the raw upload; runs in the limited child process (`gpu_jobs.sandbox`).
        upload_validate: what that stage found.
        progress: called with the share done, 0–1, by time.

    Returns:
        16 kHz mono FLAC with cue tracks; scenes that cover `[0, duration)` without gap; a few
        sharp, distinct pictures per scene. Times are presentation times from media time 0.
        Sound or subtitles that cannot be read are left out and named in the warnings.

    Raises:
        InputError: `too_many_decode_errors`, or another code of the media section.
    """
    # Imported here because the worker imports this module for its table of stages, and must
    # never load a decoder itself.
    from gpu_jobs.media.one_pass import read

    return read(media, upload_validate, progress)
