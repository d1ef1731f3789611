"""The jobs' image, as far as it can be checked where no image can be built."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.deployed_units import load

_ROOT = Path(__file__).parents[2]
_DOCKERFILE = _ROOT / "gpu_jobs" / "Dockerfile"


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction, its lines joined."""

    stage: str
    name: str
    text: str


def _instructions() -> Iterator[Instruction]:
    lines = [x for x in _DOCKERFILE.read_text().splitlines() if not x.lstrip().startswith("#")]
    stage = ""
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, text = line.strip().partition(" ")
        if not name:
            continue
        if name == "FROM":
            stage = text.split(" AS ")[1] if " AS " in text else "final"
        yield Instruction(stage=stage, name=name, text=" ".join(text.split()))


@pytest.fixture(scope="module")
def instructions() -> list[Instruction]:
    """All of them, in order."""
    return list(_instructions())


def _of(instructions: list[Instruction], name: str, stage: str = "") -> list[str]:
    return [x.text for x in instructions if x.name == name and stage in ("", x.stage)]


def test_every_base_is_one_that_cannot_move(instructions: list[Instruction]) -> None:
    """By digest, or a stage of this file; with CUDA's runtime, not its compilers."""
    stages = {x.stage for x in instructions}
    outside = [x.split()[0] for x in _of(instructions, "FROM") if x.split()[0] not in stages]
    assert len(outside) == 1
    assert re.fullmatch(r"nvidia/cuda:[0-9.]+-cudnn-runtime-\S+@sha256:[0-9a-f]{64}", outside[0])


def test_nothing_runs_as_root(instructions: list[Instruction]) -> None:
    """The last instruction that says who names a user who is not root, by number."""
    (user,) = _of(instructions, "USER", "final")
    assert int(user) >= 10_000
    names = [x.name for x in instructions if x.stage == "final"]
    assert "RUN" not in names[names.index("USER") :]


def test_every_file_copied_is_there_and_sent(instructions: list[Instruction]) -> None:
    """What COPY names exists, and .dockerignore lets it through; nothing else of ours goes in."""
    copied = set()
    for text in _of(instructions, "COPY"):
        if text.startswith("--from="):
            continue
        *sources, _ = shlex.split(text)
        copied |= set(sources)
    assert copied == {"common", "gpu_jobs", "local/requirements.txt", "gpu_jobs/requirements.txt"}
    assert all((_ROOT / source).exists() for source in copied)
    rules = [
        line
        for line in (_ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    let_through = [rule[1:] for rule in rules if rule.startswith("!")]
    for source in copied:
        assert any(fnmatch.fnmatch(f"{source}/", f"{rule}/*") for rule in let_through), source


def test_only_what_is_locked_is_installed(instructions: list[Instruction]) -> None:
    """With hashes; but torch, whose own index has none to lock, by the version of the Makefile."""
    installs = [
        part
        for text in _of(instructions, "RUN")
        for part in text.split("&&")
        if " pip install " in f" {part} "
    ]
    hashed = [x for x in installs if "--require-hashes" in x]
    assert len(hashed) == 2
    assert all("--no-deps" in x and "--only-binary=:all:" in x for x in hashed)
    (torch,) = [x for x in installs if x not in hashed]
    assert '"torch==${TORCH_VERSION}"' in torch
    assert '--index-url "${TORCH_INDEX_URL}"' in torch
    makefile = (_ROOT / "Makefile").read_text()
    version = re.search(r"^TORCH = torch==(\S+)$", makefile, re.MULTILINE)
    assert version is not None
    arguments = _of(instructions, "ARG")
    assert f"TORCH_VERSION={version[1]}" in arguments
    # The line of CUDA that the base has.
    base = next(x for x in _of(instructions, "FROM") if "@sha256" in x)
    cuda = re.search(r"cuda:(\d+)\.(\d+)", base)
    assert cuda is not None
    assert f"TORCH_INDEX_URL=https://download.pytorch.org/whl/cu{cuda[1]}{cuda[2]}" in arguments


def test_models_are_baked_in_only_when_asked(instructions: list[Instruction]) -> None:
    """And then only pinned ones."""
    assert 'BAKED_MODELS=""' in _of(instructions, "ARG", "models")
    (baking,) = _of(instructions, "RUN", "models")
    assert 'if [ -n "${BAKED_MODELS}" ]' in baking
    assert baking.index("--check-pins") < baking.index("--dir /models")


def test_a_shell_that_fails_ends_the_build(instructions: list[Instruction]) -> None:
    """The usual traps: pipes that hide a failure, package lists that stay, ADD, secrets."""
    assert any("pipefail" in text for text in _of(instructions, "SHELL"))
    for text in _of(instructions, "RUN"):
        if "apt-get install" in text:
            assert "--no-install-recommends" in text
            assert "rm -rf /var/lib/apt/lists" in text
        assert "sudo" not in text
    assert not _of(instructions, "ADD")
    assert not [x for x in _of(instructions, "ENV") if re.search("TOKEN|SECRET|PASSWORD", x)]


def test_the_image_has_the_module_of_every_job() -> None:
    """What Terraform runs is in what is copied."""
    for unit in load().values():
        if unit.kind == "job" and unit.command[:2] == ("python", "-m"):
            module = _ROOT.joinpath(*unit.command[2].split("."))
            assert module.parts[len(_ROOT.parts)] in ("common", "gpu_jobs")
            assert module.with_suffix(".py").exists() or (module / "__main__.py").exists()


def test_the_image_imports_nothing_that_is_not_in_it() -> None:
    """Jobs import `common` and themselves, never `local` or `functions`."""
    for path in (*_ROOT.glob("common/**/*.py"), *_ROOT.glob("gpu_jobs/**/*.py")):
        assert not re.search(
            r"^\s*(from|import) (local|functions|tests)\b", path.read_text(), re.MULTILINE
        ), path
