"""Load with faults: `make soak N=10000`. The last line of the output is the result as JSON."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.soak.soak import Plan, Soak


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns 0 if nothing was lost and nothing was done twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=5, help="of each lane")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs here")
    options = parser.parse_args(arguments)
    # Whoever ends the soak ends everything that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # The pool tells of every connection that a crash of the database cut.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    plan = Plan(uploads=options.uploads, workers_per_lane=options.workers)
    with tempfile.TemporaryDirectory(prefix="heimdex-soak-") as scratch:
        directory = options.logs or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        result = Soak(plan, directory.resolve(), partial(print, flush=True)).run()
    print(json.dumps(asdict(result)))
    return 0 if result.is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
