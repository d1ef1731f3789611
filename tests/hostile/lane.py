"""One file through the media lane: both stages, each in its limited child process."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common import artifacts, log
from common.domain import Cue, DecodePass, Media, MediaLimits, Probe, SubtitleFile
from common.errors import HeimdexError
from gpu_jobs import sandbox, sandbox_start
from tests.hostile import prepared
from tests.hostile.case import ACCEPTED, LIMITS


@dataclass(kw_only=True)
class Outcome:
    """What became of a file."""

    code: str = ACCEPTED
    detail: str = ""
    warnings: tuple[str, ...] = ()
    probe: Probe | None = None
    decoded: DecodePass | None = None
    #: What was logged meanwhile.
    log: str = ""
    seconds: float = 0.0
    #: Processor time and resident memory of the children (0 for started programs).
    cpu_s: float = 0.0
    memory_bytes: int = 0
    #: Signals that ended a child.
    signals: tuple[int, ...] = ()
    #: Encoded results, to search for what must not be there.
    stored: bytes = field(default=b"", repr=False)


Body = Callable[[Outcome], None]


def run(
    path: Path,
    *,
    content_type: str = "",
    subtitles: Sequence[SubtitleFile] = (),
    limits: MediaLimits = LIMITS,
    start: sandbox_start.Start = prepared.fork,
    function: str = "",
) -> Outcome:
    """Run `upload_validate` and the decode pass (or `function`) on a file.

    Never raises for the file's sake.
    """
    media = Media(
        path=path,
        size_bytes=path.stat().st_size,
        content_type=content_type,
        subtitles=tuple(subtitles),
        limits=limits,
    )
    if function:
        return observed(lambda outcome: _misbehave(function, media, outcome, start))
    return observed(lambda outcome: _stages(media, outcome, start))


def observed(body: Body) -> Outcome:
    """Do something in the sandbox and note what becomes of it."""
    outcome = Outcome()
    stream = io.StringIO()
    log.configure("hostile", stream=stream)
    prepared.ended.clear()
    started_at = time.monotonic()
    try:
        body(outcome)
    except HeimdexError as error:
        outcome.code, outcome.detail = error.code, error.detail
        # As the worker does: the error goes into the log.
        log.event("run.failed", severity="WARNING", error=error)
    outcome.seconds = time.monotonic() - started_at
    outcome.log = stream.getvalue()
    _note_usage(outcome)
    return outcome


def _misbehave(function: str, media: Media, outcome: Outcome, start: sandbox_start.Start) -> None:
    cue = sandbox.call(function, media=media, inputs={}, result=Cue, start=start)
    outcome.stored += artifacts.encode(cue)


def _stages(media: Media, outcome: Outcome, start: sandbox_start.Start) -> None:
    outcome.probe = sandbox.call(
        "gpu_jobs.stages.upload_validate:run", media=media, inputs={}, result=Probe, start=start
    )
    outcome.stored += artifacts.encode(outcome.probe)
    outcome.decoded = sandbox.call(
        "gpu_jobs.stages.decode_pass:run",
        media=media,
        inputs={"upload_validate": outcome.probe},
        result=DecodePass,
        start=start,
    )
    outcome.stored += artifacts.encode(outcome.decoded)
    outcome.warnings = outcome.decoded.audio_extract.warnings


def _note_usage(outcome: Outcome) -> None:
    usages = [child.usage for child in prepared.ended]
    outcome.cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    # Linux counts in kilobytes.
    outcome.memory_bytes = max((usage.ru_maxrss * 1024 for usage in usages), default=0)
    outcome.signals = tuple(-child.returncode for child in prepared.ended if child.returncode < 0)
