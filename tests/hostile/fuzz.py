"""Mutants of good files through the media lane; every outcome must be one that is known.

    python -m tests.hostile.fuzz --count 20000 --seed 1 [--jobs 2]
    python -m tests.hostile.fuzz --seed 1 --only 1234          # one of them again

Progress goes to standard error, then a histogram; the last line of standard output is JSON.
Mutants that crashed, took too long or ended in an unknown way are kept with how to replay them.
Mutant n of a seed is always the same file. Stopped by Ctrl-C (or SIGTERM), it tells what it has.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, cast

from common import artifacts
from common.domain import CueTrack, Media, MediaLimits, SubtitleFile, SubtitleFormat
from gpu_jobs import sandbox, sandbox_call
from tests.hostile import lane, prepared, seeds, subtitle_stage
from tests.hostile.case import ACCEPTED
from tests.hostile.lane import Outcome
from tests.hostile.mutate import mutant

_KNOWN: Final = sandbox_call.REFUSALS | {ACCEPTED, "subtitle_unreadable"}
_TEXTS: Final = ("srt", "vtt")
#: A mutant of a clip of 0.3 s that takes longer is an attack that works.
_MAX_S: Final = 10.0
_MAX_MEMORY_BYTES: Final = 1 << 30
_LIMITS: Final = MediaLimits(wall_budget_s=_MAX_S, memory_bytes=2 << 30)
_KEPT: Final = Path(".heimdex/fuzz")
_PROGRESS_EVERY_S: Final = 5.0


@dataclass(kw_only=True)
class Tally:
    """What became of the mutants."""

    outcomes: Counter[str] = field(default_factory=Counter)
    #: Signals that ended a child.
    signals: Counter[int] = field(default_factory=Counter)
    #: Files with how to replay them.
    unexpected: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    over_time: list[str] = field(default_factory=list)
    seconds: float = 0.0
    max_memory_bytes: int = 0

    def add(self, other: Tally) -> None:
        """Take in what another process found."""
        self.outcomes += other.outcomes
        self.signals += other.signals
        self.unexpected += other.unexpected
        self.crashes += other.crashes
        self.over_time += other.over_time
        self.seconds = max(self.seconds, other.seconds)
        self.max_memory_bytes = max(self.max_memory_bytes, other.max_memory_bytes)

    def summary(self) -> dict[str, object]:
        """What the last line says."""
        mutants = self.outcomes.total()
        return {
            "mutants": mutants,
            "unexpected": len(self.unexpected),
            "crashes": len(self.crashes),
            "over_time": len(self.over_time),
            "per_second": round(mutants / max(self.seconds, 0.001), 1),
            "max_memory_mib": self.max_memory_bytes >> 20,
            "outcomes": dict(self.outcomes.most_common()),
            "signals": dict(self.signals),
            "kept": [*self.unexpected, *self.crashes, *self.over_time],
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run mutants; exit status 1 if one ended in an unknown way or took too long."""
    options = _parser().parse_args(arguments)
    if options.only is not None:
        options.first, options.count, options.jobs = options.only, 1, 1
    tally = _slices(options) if options.jobs > 1 else run(options)
    if options.raw:
        print(json.dumps(vars(tally)))
        return 0
    for code, count in tally.outcomes.most_common():
        print(f"{count:8} {code}", file=sys.stderr)
    print(json.dumps(tally.summary()))
    return 1 if tally.unexpected or tally.over_time else 0


def run(options: argparse.Namespace) -> Tally:
    """The mutants of one process, or as many as there were until it was asked to stop."""
    tally, started_at = Tally(), time.monotonic()
    stopped, told_at = _asked_to_stop(), started_at
    with tempfile.TemporaryDirectory(prefix="heimdex-fuzz-") as folder:
        for number in range(options.first, options.first + options.count):
            if stopped.is_set():
                break
            _one(options, number, Path(folder), tally)
            tally.seconds = time.monotonic() - started_at
            if time.monotonic() - told_at >= _PROGRESS_EVERY_S:
                told_at = time.monotonic()
                _tell(tally, options.count)
    return tally


def _asked_to_stop() -> threading.Event:
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    return asked


def _one(options: argparse.Namespace, number: int, folder: Path, tally: Tally) -> None:
    seed, random = options.seed, Random(f"{options.seed}/{number}")
    name = list(seeds.SEEDS)[number % len(seeds.SEEDS)]
    suffix = name.rpartition(".")[2]
    path = folder / f"video0.{suffix}"
    content = seeds.content(name)
    if not options.unchanged:
        content = mutant(content, random, is_text=suffix in _TEXTS)
    path.write_bytes(content)
    outcome = _subtitles(path, suffix) if suffix in _TEXTS else lane.run(path, limits=_LIMITS)
    tally.outcomes[outcome.code] += 1
    tally.signals.update(outcome.signals)
    tally.max_memory_bytes = max(tally.max_memory_bytes, outcome.memory_bytes)
    for found, said in (
        (tally.unexpected, wrong(outcome)),
        (tally.crashes, "crashed" if outcome.code == "decode_crashed" else ""),
        (tally.over_time, "too slow" if outcome.seconds >= _MAX_S else ""),
    ):
        if said:
            kept = options.keep / f"{seed}-{number}-{name}"
            found.append(_keep(path, kept, said, outcome, seed, number))


def wrong(outcome: Outcome) -> str:
    """What must not be, whatever the file: an unknown code, times out of order, leftovers."""
    if outcome.code not in _KNOWN:
        return f"code {outcome.code}"
    if outcome.memory_bytes > _MAX_MEMORY_BYTES:
        return "memory"
    if Path("/proc/thread-self/children").read_text():
        return "a process is left"
    if outcome.decoded is None:
        return ""
    scenes = outcome.decoded.scene_detect.scenes
    ends = [0, *(scene.end_ms for scene in scenes)]
    if [scene.start_ms for scene in scenes] != ends[:-1] or ends != sorted(set(ends)):
        return "scenes do not cover the video"
    if ends[-1] != outcome.decoded.scene_detect.duration_ms:
        return "duration"
    frames = outcome.decoded.vision_sample_frames.frames
    times = [frame.time_ms for frame in frames]
    shown = [scenes[frame.scene_ordinal] for frame in frames]
    if times != sorted(set(times)) or any(
        not scene.start_ms <= time < scene.end_ms for scene, time in zip(shown, times, strict=True)
    ):
        return "times of pictures"
    return "" if set(shown) == set(scenes) else "a scene without a picture"


def _subtitles(path: Path, suffix: str) -> Outcome:
    file = SubtitleFile(path=path, format=cast(SubtitleFormat, suffix), language="ko")
    media = Media(path=path, size_bytes=0, content_type="", subtitles=(file,), limits=_LIMITS)

    def read(outcome: Outcome) -> None:
        track = sandbox.call(
            f"{subtitle_stage.__name__}:read",
            media=media,
            inputs={},
            result=CueTrack,
            start=prepared.fork,
        )
        outcome.stored = artifacts.encode(track)
        if track.language == subtitle_stage.UNREADABLE:
            outcome.code = "subtitle_unreadable"

    return lane.observed(read)


def _keep(path: Path, kept: Path, said: str, outcome: Outcome, seed: int, number: int) -> str:
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(path.read_bytes())
    told = {
        "what": said,
        "code": outcome.code,
        "detail": outcome.detail,
        "seconds": round(outcome.seconds, 2),
        "signals": outcome.signals,
        "memory_bytes": outcome.memory_bytes,
        "replay": f"python -m tests.hostile.fuzz --seed {seed} --only {number}",
        "log": outcome.log,
    }
    kept.with_name(f"{kept.name}.json").write_text(json.dumps(told, indent=1))
    return str(kept)


def _slices(options: argparse.Namespace) -> Tally:
    """Each job is a process of its own: forks want a parent that does nothing else."""
    share = -(-options.count // options.jobs)
    started = []
    for job in range(options.jobs):
        first = options.first + job * share
        count = min(share, options.first + options.count - first)
        if count > 0:
            command = [sys.executable, "-m", "tests.hostile.fuzz", "--raw"]
            command += [f"--seed={options.seed}", f"--first={first}", f"--count={count}"]
            command += [f"--keep={options.keep}", *(["--unchanged"] if options.unchanged else [])]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    # The terminal tells the jobs too; they end and report.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tally = Tally()
    for process in started:
        said, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"a job ended with {process.returncode}")
        found = json.loads(said)
        signals = Counter({int(number): n for number, n in found.pop("signals").items()})
        outcomes = Counter(found.pop("outcomes"))
        tally.add(Tally(**found, signals=signals, outcomes=outcomes))
    return tally


def _tell(tally: Tally, count: int) -> None:
    done = tally.outcomes.total()
    rate = done / tally.seconds
    bad = len(tally.unexpected) + len(tally.over_time)
    print(
        f"{done}/{count} mutants, {rate:.0f}/s, {len(tally.crashes)} crashes, {bad} wrong",
        file=sys.stderr,
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=500, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", type=int, help="just this number")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--keep", type=Path, default=_KEPT, help="where failing mutants go")
    parser.add_argument("--unchanged", action="store_true", help="the good files themselves")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
