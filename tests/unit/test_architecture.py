"""The rules that hold the code together."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
_PARTS = ("common", "functions", "gpu_jobs", "local")
#: Who may import whom.
_ALLOWED = {
    "common": {"common"},
    "functions": {"common", "functions"},
    "gpu_jobs": {"common", "gpu_jobs"},
    "local": set(_PARTS),
}
_HEAVY = ("torch", "cv2", "av", "transformers", "faster_whisper", "scenedetect")
_FUNCTIONS = ("api", "build_export", "dead_letter", "search", "start_jobs", "upload_finalized")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def _modules(part: str) -> list[Path]:
    return sorted((REPOSITORY / part).rglob("*.py"))


@pytest.mark.parametrize("part", _PARTS)
def test_imports_go_one_way(part: str) -> None:
    """functions, gpu_jobs and local import common; nothing imports back or sideways."""
    wrong = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in _modules(part)
        for name in _imports(path)
        if name.split(".")[0] in set(_PARTS) - _ALLOWED[part]
    ]
    assert wrong == []


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_functions_import_no_other_function(function: str) -> None:
    """Each function is deployed alone with common, so it may not lean on another."""
    wrong = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in _modules(f"functions/{function}")
        for name in _imports(path)
        if name.startswith("functions.") and name.split(".")[1] != function
    ]
    assert wrong == []


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_functions_load_no_heavy_library(function: str) -> None:
    """Importing a function brings in no torch, OpenCV or PyAV, not even by way of others."""
    code = (
        "import sys, pkgutil, importlib, common, functions\n"
        f"import functions.{function} as f\n"
        "for m in pkgutil.walk_packages(f.__path__, f.__name__ + '.'):\n"
        "    importlib.import_module(m.name)\n"
        f"print([m for m in {_HEAVY!r} if m in sys.modules])"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(REPOSITORY),
        "HEIMDEX_PROJECT": "p",
        "HEIMDEX_UPLOADS_BUCKET": "uploads",
        "HEIMDEX_ARTIFACTS_BUCKET": "artifacts",
        "HEIMDEX_DATABASE_URL": "postgresql+pg8000://nobody@127.0.0.1:1/none",
        "HEIMDEX_TOKEN_KEY": "key",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
