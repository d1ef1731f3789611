"""How long each bundle takes to import, to serve, and to answer its first request.

`python -m tests.benchmarks.bench_bundles [--rounds 5]`, after `make package`. Each function runs
out of its bundle in an environment with only its own requirements, as Cloud Run starts it. The
first request is one that makes it load and connect all it has: a token to verify, an event, a
push. There is no database, so that it ends there, with an error. Medians, and the best of the
rounds; CPU time is that of the import, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from uuid import uuid4

import requests

from local import bundles, clean_environment
from local.functions import FunctionProcess, FunctionSpec
from local.identity import IdentityServer
from local.units import signature_of
from tests.integration.bundles.conftest import environment

_NO_DATABASE = "postgresql+pg8000://nobody@127.0.0.1:1/none"
_IMPORT = """
import time
began, cpu = time.perf_counter(), time.process_time()
import main
print(time.perf_counter() - began, time.process_time() - cpu)
"""
_FINALIZED = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "//storage.googleapis.com/projects/_/buckets/uploads",
    "ce-type": "google.cloud.storage.object.v1.finalized",
    "Content-Type": "application/json",
}
_COLUMNS = ("import", "its CPU", "ready", "first answer")


@dataclass(frozen=True)
class Round:
    """Seconds of one start."""

    import_s: float
    import_cpu_s: float
    #: From the start of the process until the framework answers.
    ready_s: float
    first_s: float


def measure(name: str, python: Path, variables: Mapping[str, str], scratch: Path) -> Round:
    """Import once, then start once and ask once."""
    folder = bundles.OUT / name
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
    import_s, cpu_s = done.stdout.splitlines()[-1].split()
    return Round(float(import_s), float(cpu_s), ready - began, answered - ready)


def _ask(name: str, url: str) -> None:
    if name in ("api", "search"):
        path = "/v1/videos" if name == "api" else "/v1/search?q=x"
        token = {"Authorization": "Bearer a.b.c"}
        answer = requests.get(url + path, headers=token, timeout=60)
        assert answer.status_code == 401, answer.text
        return
    if name == "upload_finalized":
        data = {"bucket": "uploads", "name": f"videos/{uuid4()}/{uuid4()}.mp4", "generation": "1"}
        answer = requests.post(url, json={**data, "size": "1"}, headers=_FINALIZED, timeout=60)
    else:
        subscription = "heimdex-sweep-push" if name == "start_jobs" else "any"
        exported = {"version": 1, "user_id": str(uuid4()), "export_id": str(uuid4())}
        encoded = base64.b64encode(json.dumps(exported).encode()).decode()
        message = {"messageId": "1", "data": encoded, "attributes": {}}
        body = {"message": message, "subscription": f"projects/p/subscriptions/{subscription}"}
        answer = requests.post(url, json=body, timeout=60)
    assert answer.status_code in (204, 500, 503), (answer.status_code, answer.text)


def _rows(rounds: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        with IdentityServer(scratch / "identity", project="heimdex-test") as identity:
            for name in bundles.FUNCTIONS:
                lock = bundles.ROOT / "functions" / name / "requirements.txt"
                python = clean_environment.make(scratch / name, lock)
                variables = {**environment(name, _NO_DATABASE), **identity.environment()}
                # The first start compiles; Cloud Run's image has that behind it.
                measure(name, python, variables, scratch)
                found = [measure(name, python, variables, scratch) for _ in range(rounds)]
                columns = zip(*(astuple(each) for each in found), strict=True)
                cells = (f"{statistics.median(c):.2f} ({min(c):.2f})" for c in columns)
                yield f"{name:<18}" + "".join(f"{cell:>16}" for cell in cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'seconds: median':<18}" + "".join(f"{column:>16}" for column in _COLUMNS))
    for row in _rows(options.rounds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
