"""Runs crafted inputs one after another, as one worker would, and tells what became of each.

    python -m tests.hostile.crafted [--deep] [--spawn] [--keep FOLDER] [NUMBER …]

One line of JSON per input on standard output. With `--spawn` every child is a program of its own,
as in production, instead of a fork of this one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from common.domain import DecodePass
from gpu_jobs import sandbox_start
from tests.hostile import lane, prepared
from tests.hostile.case import ACCEPTED, CANARY, Case, Place, raw
from tests.hostile.clips import clip
from tests.hostile.lane import Outcome
from tests.hostile.table import CASES
from tests.media import SubtitleSpec, write_clip

#: Last of all: is the worker still good for something?
_GOOD = Case(number=0, name="good file", make=raw(clip), expected=ACCEPTED)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of one input; everything that a test asserts."""

    id: str
    code: str
    detail: str
    warnings: tuple[str, ...]
    #: Presentation times of sampled pictures, scenes and cues.
    duration_ms: int
    frame_times_ms: tuple[int, ...]
    scenes_ms: tuple[tuple[int, int], ...]
    cues: tuple[tuple[int, int, str], ...]
    sound_ms: int
    size_px: tuple[int, int]
    rotation_deg: int
    codec: str
    #: Something of the canary, or of the file's own metadata, is in an output.
    leaked: bool
    #: The honeypot was called.
    called: bool
    #: Processes left behind.
    left: int
    seconds: float
    cpu_s: float
    memory_bytes: int
    signals: tuple[int, ...]
    log: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the inputs asked for, then a good file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int)
    parser.add_argument("--deep", action="store_true", help="the slow ones too")
    parser.add_argument("--spawn", action="store_true", help="start a program for each call")
    parser.add_argument("--keep", type=Path, help="where the files are to stay")
    options = parser.parse_args(arguments)
    start: sandbox_start.Start = sandbox_start.spawn if options.spawn else prepared.fork
    chosen = [
        case
        for case in CASES
        if case.where == "media"
        and (case.number in options.numbers if options.numbers else options.deep or not case.deep)
    ]
    with _folder(options.keep) as folder:
        for case in [*chosen, _GOOD]:
            print(json.dumps(dataclasses.asdict(report(case, folder, start))), flush=True)
    return 0


def report(case: Case, folder: Path, start: sandbox_start.Start) -> Report:
    """Make an input, run it and look at everything that came out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        home = folder / case.id
        home.mkdir(parents=True)
        place = _place(home, case, server.getsockname()[1])
        case.make(place)
        outcome = lane.run(
            place.path,
            content_type=case.content_type,
            limits=case.limits,
            start=start,
            function=case.function,
        )
        return _report(case, outcome, called=is_called(server))


def _report(case: Case, outcome: Outcome, *, called: bool) -> Report:
    decoded, video = outcome.decoded, outcome.probe.video if outcome.probe else None
    return Report(
        id=case.id,
        code=outcome.code,
        detail=outcome.detail,
        warnings=outcome.warnings,
        duration_ms=decoded.scene_detect.duration_ms if decoded else 0,
        frame_times_ms=_frame_times(decoded),
        scenes_ms=_scenes(decoded),
        cues=_cues(decoded),
        sound_ms=decoded.audio_extract.duration_ms if decoded else 0,
        size_px=(video.width_px, video.height_px) if video else (0, 0),
        rotation_deg=video.rotation_deg if video else 0,
        codec=video.codec if video else "",
        leaked=has_leaked(outcome),
        called=called,
        left=len(children()),
        seconds=round(outcome.seconds, 3),
        cpu_s=round(outcome.cpu_s, 3),
        memory_bytes=outcome.memory_bytes,
        signals=outcome.signals,
        log=outcome.log,
    )


def children() -> list[str]:
    """Processes started by this one that still exist."""
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


def _frame_times(decoded: DecodePass | None) -> tuple[int, ...]:
    return tuple(f.time_ms for f in decoded.vision_sample_frames.frames) if decoded else ()


def _scenes(decoded: DecodePass | None) -> tuple[tuple[int, int], ...]:
    return tuple((s.start_ms, s.end_ms) for s in decoded.scene_detect.scenes) if decoded else ()


def _cues(decoded: DecodePass | None) -> tuple[tuple[int, int, str], ...]:
    tracks = decoded.audio_extract.cue_tracks if decoded else ()
    return tuple((c.start_ms, c.end_ms, c.text) for track in tracks for c in track.cues)


def _place(home: Path, case: Case, port: int) -> Place:
    canary, secret = home / "canary.mkv", home / "canary.txt"
    # Hard links: made once, yet really in the folder.
    os.link(write_canary(home.parent), canary)
    secret.write_text(CANARY)
    name = f"video0{case.suffix}" if "%" in case.suffix else f"video0.{case.suffix}"
    return Place(path=home / name, canary=canary, secret=secret, honeypot=f"127.0.0.1:{port}")


def write_canary(folder: Path) -> Path:
    """The canary of a folder, made once."""
    path = folder / "canary.mkv"
    if not path.exists():
        plain = folder / "plain.mkv"
        cues = SubtitleSpec(language="eng", codec="subrip", cues=((0, 900, CANARY),))
        write_clip(plain, shots_ms=(1000,), subtitles=(cues,), colour=(255, 0, 255))
        plain.rename(path)
    return path


def has_leaked(outcome: Outcome) -> bool:
    """Whether anything that came out says what the canary says, or looks like it."""
    told = outcome.stored + outcome.log.encode() + outcome.detail.encode()
    frames = outcome.decoded.vision_sample_frames.frames if outcome.decoded else ()
    return CANARY.encode() in told or any(_is_magenta(frame.jpeg) for frame in frames)


def _is_magenta(jpeg: bytes) -> bool:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    blue, green, red, _ = cv2.mean(picture)
    return min(blue, red) > 200 and green < 60


def is_called(server: socket.socket) -> bool:
    """Whether somebody has connected."""
    try:
        connection, _ = server.accept()
    except BlockingIOError:
        return False
    connection.close()
    return True


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="heimdex-hostile-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
