"""How long each bundle takes to import, to serve, and to answer its first request.

`python -m tests.benchmarks.bench_bundles [--rounds 5]`, after `make package`. Each function runs out
of its bundle in an environment with only its own requirements, started as Cloud Run starts it. The
first request is the first that the function itself answers: a refusal for the HTTP functions, for
the others a message or event that they cannot read. Medians; the best is what an idle machine does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from local import bundles, clean_environment
from local.functions import FunctionProcess, FunctionSpec
from local.units import signature_of
from tests.integration.bundles.conftest import environment

_NO_DATABASE = "postgresql+pg8000://nobody@127.0.0.1:1/none"
_IMPORT = (
    "import time; began = time.perf_counter(); import main; print(time.perf_counter() - began)"
)
_PATHS: Mapping[str, str] = {"api": "/v1/videos", "search": "/v1/search?q=x"}


@dataclass(frozen=True, kw_only=True)
class Round:
    """Seconds of one start."""

    import_s: float
    #: From the start of the process until the framework answers.
    ready_s: float
    first_s: float


def measure(name: str, python: Path, folder: Path, scratch: Path) -> Round:
    """Import once, then start once and ask once."""
    variables = environment(name, _NO_DATABASE)
    done = subprocess.run(
        [python, "-c", _IMPORT],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    spec = FunctionSpec(name=name, signature=signature_of(name), bundle=folder, python=str(python))
    process = FunctionProcess(spec, scratch / f"{name}.log")
    began = time.perf_counter()
    try:
        process.start(variables)
        process.wait_ready()
        ready = time.perf_counter()
        _ask(name, process.url)
        answered = time.perf_counter()
    finally:
        process.stop()
    import_s = float(done.stdout.splitlines()[-1])
    return Round(import_s=import_s, ready_s=ready - began, first_s=answered - ready)


def _ask(name: str, url: str) -> None:
    if name in _PATHS:
        requests.get(url + _PATHS[name], timeout=60)
    else:
        requests.post(url, data=b"{}", timeout=60)


def _rows(rounds: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        for name in bundles.FUNCTIONS:
            lock = bundles.ROOT / "functions" / name / "requirements.txt"
            python = clean_environment.make(scratch / name, lock)
            folder = bundles.OUT / name
            # The first start compiles; Cloud Run's image has that behind it.
            measure(name, python, folder, scratch)
            found = [measure(name, python, folder, scratch) for _ in range(rounds)]
            columns = [
                [each.import_s for each in found],
                [each.ready_s for each in found],
                [each.first_s for each in found],
            ]
            yield f"{name:<18}" + "".join(
                f"{statistics.median(column):>9.2f} ({min(column):.2f})" for column in columns
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'seconds, median (best)':<18}{'import':>12}{'ready':>16}{'first answer':>18}")
    for row in _rows(options.rounds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
