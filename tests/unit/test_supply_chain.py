"""What comes in from outside: only hashed wheels, and nothing that runs when it is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.sbom import LOCKS, read_lock
from tests.unit.test_architecture import REPOSITORY
from tests.unit.unsafe_code import unsafe

_SOURCE = ("common", "functions", "gpu_jobs", "local", "tests")
#: Where torch comes from differs from machine to machine, so the Makefile names it by version.
_WITHOUT_HASH = {"torch"}


def _files(pattern: str) -> list[Path]:
    return sorted(path for part in _SOURCE for path in (REPOSITORY / part).rglob(pattern))


def test_every_lock_is_known() -> None:
    """No requirement file stands outside what is checked here and listed in the SBOM."""
    assert _files("*requirements*.txt") == sorted(REPOSITORY / lock for lock in LOCKS.values())


@pytest.mark.parametrize("lock", LOCKS.values())
def test_every_requirement_is_a_hashed_version(lock: str) -> None:
    """One exact version with SHA-256 each; no address, no file, no other index, no torch."""
    requirements = read_lock(REPOSITORY / lock)
    assert len(requirements) > 50
    for requirement in requirements:
        assert requirement.name not in _WITHOUT_HASH
        assert requirement.hashes, requirement
    for line in (REPOSITORY / lock).read_text().splitlines():
        text = line.split("#")[0].strip().removesuffix("\\").strip()
        assert not text or re.fullmatch(
            r"--hash=sha256:[0-9a-f]{64}|[a-z0-9._-]+(\[[a-z0-9,-]+\])?==[\w.!+]+( ; .+)?", text
        ), line


def test_everything_is_installed_from_hashed_wheels() -> None:
    """Each installation in the Makefile insists on them; torch is the one exception."""
    installs = [
        line
        for line in (REPOSITORY / "Makefile").read_text().splitlines()
        if "$(PIP) install" in line
    ]
    assert installs
    for line in installs:
        is_torch = "$(TORCH)" in line and " -r " not in line
        assert is_torch or ("--require-hashes" in line and "--only-binary=:all:" in line), line
        assert is_torch or "--no-deps" in line, line


def test_requirements_name_no_other_place() -> None:
    """What is asked for comes from the index, by name."""
    for path in _files("*requirements*.in"):
        for line in path.read_text().splitlines():
            assert not re.search(r"://|^-e|^--(extra-)?index|^--find-links|^\.", line), line


def test_nothing_runs_what_it_reads() -> None:
    """No pickle-class load, no remote code, no shell, in code and tests alike."""
    found = {
        str(path.relative_to(REPOSITORY)): what
        for path in _files("*.py")
        if (what := unsafe(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "from joblib import load",
        "import dill.source",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=strict)",
        "torch.hub.load('owner/model', 'model')",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.save(path, value, allow_pickle=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
        "AutoModel.from_pretrained(path, use_safetensors=False)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "pd.read_pickle(path)",
        "eval(text)",
        "exec(text)",
        "os.system(command)",
        "subprocess.run(command, shell=True)",
        "requests.get(url, verify=False)",
    ],
)
def test_a_planted_violation_is_found(planted: str) -> None:
    """The search above finds each of these, wherever it stands."""
    source = f"def deep():\n    if True:\n        {planted}\n"
    assert len(unsafe(source)) == 1


def test_the_safe_ways_are_not_taken_for_violations() -> None:
    """Otherwise nobody would keep the search switched on."""
    safe = (
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=False)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "model.eval()",
        "json.load(file)",
        "connection.execute(statement)",
    )
    assert [text for text in safe if unsafe(text)] == []
