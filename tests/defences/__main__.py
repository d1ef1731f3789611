"""Remove the defences one at a time, and see the tests notice: `make defences`."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy

from tests.conftest import SCHEMA, TestDatabase, postgres_server
from tests.defences.catalogue import DEFENCES
from tests.defences.defence import Defence
from tests.defences.policies import defences, policies

ROOT: Final = Path(__file__).parents[2]
_LEFT_OUT: Final = (".git", ".venv", ".heimdex", "*_cache", "__pycache__", ".hypothesis", "build")
#: For a machine that does other things as well.
_LIMIT_S: Final = 1_800.0
#: pytest's exit codes.
_PASSED, _FAILED = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line per defence and a summary; returns 0 if the tests noticed every removal."""
    parser = argparse.ArgumentParser(prog="python -m tests.defences", description=__doc__)
    parser.add_argument("--only", default="", help="defences whose name contains this")
    only = parser.parse_args(arguments).only
    chosen = [defence for defence in everything() if only in defence.name]
    survived: list[str] = []
    with copied_tree() as tree:
        tests = sorted({test for defence in chosen for test in defence.tests})
        code, report = _pytest(tree, tests)
        if code != _PASSED:
            print(report)
            print("the tests fail although nothing is removed", file=sys.stderr)
            return 2
        for defence in chosen:
            noticed = _noticed(tree, defence)
            if not noticed:
                survived.append(defence.name)
            print(f"{'red ' if noticed else 'GREEN'} {defence.name:75} {noticed}", flush=True)
    summary = {
        "defences": len(chosen),
        "killed": len(chosen) - len(survived),
        "survived": survived,
    }
    print(json.dumps(summary))
    return 1 if survived else 0


def everything() -> list[Defence]:
    """The catalogue, and a defence per policy of the schema as a database reads it."""
    with postgres_server() as server:
        engine = sqlalchemy.create_engine(server.url("postgres"), poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(SCHEMA.read_text())
        found = policies(TestDatabase(postgres=server, name="postgres", owner=engine))
    return [*DEFENCES, *defences(found)]


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of the tree to do harm to."""
    with tempfile.TemporaryDirectory(prefix="heimdex-defences-") as directory:
        tree = Path(directory) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        yield tree


def _noticed(tree: Path, defence: Defence) -> str:
    """Run a defence's tests without it; returns the first that failed, or "" if none did.

    Raises:
        RuntimeError: the tests could not be run at all.
    """
    before = {edit.path: (tree / edit.path).read_text() for edit in defence.edits}
    try:
        for edit in defence.edits:
            (tree / edit.path).write_text(edit.applied(tree))
        code, report = _pytest(tree, defence.tests)
    finally:
        for path, content in before.items():
            (tree / path).write_text(content)
    if code not in (_PASSED, _FAILED):
        raise RuntimeError(f"{defence.name}: pytest ended with {code}\n{report}")
    return _first_failure(report) if code == _FAILED else ""


def _first_failure(report: str) -> str:
    """The name of the first test of pytest's summary; log lines may begin with ERROR too."""
    failed = re.search(r"^(?:FAILED|ERROR) \S+\.py(?:::(\S+))?", report, re.MULTILINE)
    return (failed and failed[1]) or "a test"


def _pytest(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=tree,
        # Nothing compiled is kept: an edit may be undone within a second.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout[-6_000:] + done.stderr[-2_000:]


if __name__ == "__main__":
    raise SystemExit(main())
