"""Every bundle, staged once and running in an environment that has only its own requirements."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import bundles, clean_environment
from local.functions import FunctionProcess, FunctionSpec
from local.units import signature_of
from tests.conftest import TestDatabase

#: Of the login that each function has.
_ROLES = {
    "api": "heimdex_api",
    "search": "heimdex_api",
    "upload_finalized": "heimdex_ingest",
    "start_jobs": "heimdex_ingest",
    "dead_letter": "heimdex_ingest",
    "build_export": "heimdex_api",
}


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bundles.Bundle]:
    """The bundles of the offline profile."""
    out = tmp_path_factory.mktemp("bundles")
    return {name: bundles.build(name, out) for name in bundles.FUNCTIONS}


@pytest.fixture(scope="session")
def interpreters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Python of each function's own environment."""
    out = tmp_path_factory.mktemp("environments")
    return {
        name: clean_environment.make(
            out / name, bundles.ROOT / "functions" / name / "requirements.txt"
        )
        for name in bundles.FUNCTIONS
    }


@pytest.fixture
def served(
    staged: dict[str, bundles.Bundle],
    interpreters: dict[str, Path],
    database: TestDatabase,
    tmp_path: Path,
) -> Iterator[dict[str, FunctionProcess]]:
    """All of them, started as Cloud Run does, on one database."""
    processes = {
        name: FunctionProcess(
            FunctionSpec(
                name=name,
                signature=signature_of(name),
                bundle=staged[name].folder,
                python=str(interpreters[name]),
            ),
            tmp_path / f"{name}.log",
        )
        for name in bundles.FUNCTIONS
    }
    try:
        for name, process in processes.items():
            process.start(environment(name, database.url(_ROLES[name])))
        for process in processes.values():
            process.wait_ready()
        yield processes
    finally:
        for process in processes.values():
            process.stop()


def environment(name: str, database_url: str) -> dict[str, str]:
    """What Cloud Run and Terraform set, and no more."""
    return {
        "PATH": os.environ["PATH"],
        "K_SERVICE": name,
        "K_REVISION": f"{name}-00001-abc",
        "FUNCTION_TARGET": name,
        "FUNCTION_SIGNATURE_TYPE": signature_of(name),
        "HEIMDEX_PROJECT": "heimdex-test",
        "HEIMDEX_PROFILE": "offline",
        "HEIMDEX_UPLOADS_BUCKET": "uploads",
        "HEIMDEX_ARTIFACTS_BUCKET": "artifacts",
        "HEIMDEX_DATABASE_URL": database_url,
        "HEIMDEX_TOKEN_KEY": "a key",
    }
