"""`make faults`: kill at every named effect, then every cell of the matrix, on all cores.

Progress goes to standard error, the matrix to standard output and a file; the last line is JSON
with `runs`, `cells` and `broken`. The exit status is 1 if anything was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults import alone, effects, results, runs, schedule
from tests.faults.effects import Point
from tests.faults.processes import REPOSITORY
from tests.faults.table import table
from tests.faults.world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.shard:
        return _work(options)
    return _lead(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first run of each cell")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each cell")
    parser.add_argument("--quick", action="store_true", help="every other cell, one run each")
    parser.add_argument("--only", default="", help="F3xS7, F4, effects, stray.delete …")
    parser.add_argument("--shards", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--out", type=Path, default=Path("build/faults.txt"), help="the matrix")
    parser.add_argument("--shard", default="", help=argparse.SUPPRESS)
    parser.add_argument("--points", type=Path, help=argparse.SUPPRESS)
    return parser


def _lead(options: argparse.Namespace) -> int:
    """List the effects, have shards do the work, and sum up."""
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="heimdex-faults-") as name:
        directory = Path(name)
        points = directory / "points"
        found, broken = _dry_run() if schedule.wants_effects(options.only) else ([], [])
        unreached = len(broken)
        points.write_text(json.dumps([vars(point) for point in found]))
        outs, failed = _run_shards(options, directory, points)
        done = [result for out in outs for result in results.read(out)]
    broken += [f"{result.name}/{result.seed}: {x}" for result in done for x in result.broken]
    text = table(done)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text + "\n")
    print(text)
    for line in broken:
        print(f"BROKEN {line}")
    summary = {
        "runs": len(done),
        "cells": len({result.name for result in done if result.kind == "cell"}),
        "effects": 0 if options.only else len(effects.names()) - unreached,
        "seed": options.seed,
        "seconds": round(time.monotonic() - started_s),
        "broken": sum(bool(result.broken) for result in done) + unreached + failed + (not done),
    }
    print(json.dumps(summary))
    return 1 if summary["broken"] else 0


def _dry_run() -> tuple[list[Point], list[str]]:
    """The named effects that can be reached, each with who has it in which scenario."""
    found: dict[tuple[str, str], Point] = {}
    broken: list[str] = []
    with World() as world:
        bystander = runs.make_bystander(world)
        for scenario, plan in effects.SCENARIOS.items():
            story, said = runs.run(world, effects.traced(plan), bystander)
            _tell(f"dry run of {scenario}: {len(story.trace)} points {said or 'ok'}")
            broken += [f"effects: {scenario}: {each}" for each in said]
            for point in effects.points(scenario, story):
                found.setdefault((point.actor, point.effect), point)
    reached = {point.effect for point in found.values()}
    reached |= {effect for command in alone.COMMANDS for effect in command.effects}
    broken += [f"effects: no scenario reaches {x}" for x in sorted(effects.names() - reached)]
    for point in found.values():
        _tell(f"effect {point.effect} of {point.actor} in {point.scenario}")
    return list(found.values()), broken


def _run_shards(
    options: argparse.Namespace, directory: Path, points: Path
) -> tuple[list[Path], int]:
    """Start a process per shard; returns their files, and how many did not come to their end."""
    running = []
    for number in range(options.shards):
        out = directory / f"shard{number}"
        command = [
            *(sys.executable, "-m", "tests.faults", "--shard", f"{number}/{options.shards}"),
            *("--points", str(points), "--out", str(out), "--seed", str(options.seed)),
            *("--seeds", str(options.seeds), "--only", options.only),
            *(["--quick"] if options.quick else []),
        ]
        running.append((out, subprocess.Popen(command, cwd=REPOSITORY)))
    failed = sum(process.wait() != 0 for _, process in running)
    return [out for out, _ in running if out.exists()], failed


def _work(options: argparse.Namespace) -> int:
    """One shard: its share of the runs, one after the other in one world."""
    number, _, shards = options.shard.partition("/")
    items = list(_items(options))[int(number) :: int(shards)]
    options.out.touch()
    with World() as world:
        bystander = runs.make_bystander(world)
        for done, item in enumerate(items, 1):
            result = item.carry_out(world, bystander)
            results.add(options.out, result)
            verdict = f"BROKEN {result.broken}" if result.broken else "ok"
            _tell(
                f"[{number}] {done}/{len(items)} {result.name} seed {result.seed} "
                f"{result.seconds:.1f} s {verdict}"
            )
    return 0


def _items(options: argparse.Namespace) -> Iterator[schedule.Run]:
    if schedule.wants_effects(options.only):
        yield from schedule.of_effects(options.points, only=options.only)
    yield from schedule.of_matrix(
        seed=options.seed, seeds=options.seeds, only=options.only, quick=options.quick
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
