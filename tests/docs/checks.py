"""What can be said about a command without running it: every name in it must be of something."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final
from unittest import mock

from tests.docs.commands import ROOT

TERRAFORM: Final = ROOT / "terraform"

#: Programs about which nothing can be said but that they are what we mean.
_PLAIN: Final = frozenset(
    {
        "cd",
        "cmp",
        "curl",
        "date",
        "echo",
        "exit",
        "export",
        "firebase",
        "git",
        "jq",
        "openssl",
        "sleep",
        "tee",
        "test",
        "tr",
        "xargs",
    }
)
_OUR_NAME: Final = re.compile(r"(?<![\w./-])heimdex(?:-[a-z0-9-]+)?(?![\w.-])")
_DECLARED: Final = {
    "output": re.compile(r'^output "(\w+)"', re.MULTILINE),
    "variable": re.compile(r'^variable "(\w+)"', re.MULTILINE),
    "module": re.compile(r'^module "(\w+)"', re.MULTILINE),
}


def problems(command: Sequence[str]) -> Iterator[str]:
    """What is wrong with a command; nothing if it may be right."""
    program = command[0]
    if program == "make":
        yield from _make(command[1:])
    elif program == "terraform":
        yield from _terraform(command[1:])
    elif program.endswith("/python"):
        yield from _python(command[1:])
    elif program == "gcloud":
        yield from _gcloud(command[1:])
    elif program not in _PLAIN:
        yield f"nobody knows the program {program!r}"


def _make(words: Sequence[str]) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words:
        name, given, _ = word.partition("=")
        used = rf"\$[({{]{name}[)}},]|^{name} \?=|^export .*\b{name}\b"
        if given and not re.search(used, makefile, re.MULTILINE):
            yield f"make does nothing with {name}"
        if not given and not re.search(rf"^{re.escape(word)}:", makefile, re.MULTILINE):
            yield f"there is no target {word}"


def _terraform(words: Sequence[str]) -> Iterator[str]:
    folder = next((w.partition("=")[2] for w in words if w.startswith("-chdir=")), ".")
    for environment in ("dev", "prod") if "$ENV" in folder else ("",):
        directory = ROOT / folder.replace("$ENV", environment)
        if not list(directory.glob("*.tf")):
            yield f"{directory.relative_to(ROOT)} is no folder of Terraform"
            continue
        yield from _names_in(directory, words)


def _names_in(directory: Path, words: Sequence[str]) -> Iterator[str]:
    for index, word in enumerate(words):
        if word == "-var" or word.startswith("-var="):
            given = words[index + 1] if word == "-var" else word.removeprefix("-var=")
            name = given.partition("=")[0]
            if name not in declared(directory, "variable"):
                yield f"{directory.name} has no variable {name}"
        if word.startswith("-target=module."):
            name = word.removeprefix("-target=module.").partition(".")[0]
            if name not in declared(directory, "module"):
                yield f"{directory.name} has no module {name}"
    if "output" in words:
        for name in words[words.index("output") + 1 :]:
            if not name.startswith("-") and name not in declared(directory, "output"):
                yield f"{directory.name} has no output {name}"


@cache
def declared(directory: Path, kind: str) -> frozenset[str]:
    """Names of the variables, outputs or modules that a folder of Terraform declares."""
    texts = [file.read_text(encoding="utf-8") for file in directory.glob("*.tf")]
    return frozenset(name for text in texts for name in _DECLARED[kind].findall(text))


def _python(words: Sequence[str]) -> Iterator[str]:
    if words[:1] != ["-m"]:
        yield "Python is only run with -m"
        return
    module, rest = words[1], words[2:]
    if importlib.util.find_spec(module) is None:
        yield f"there is no module {module}"
        return
    command = rest[0] if rest and re.fullmatch(r"[a-z][a-z-]*", rest[0]) else ""
    offered = _help(module, command)
    for word in rest:
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in re.findall(r"--[a-z][a-z-]*", offered):
            yield f"{module} {command} has no {flag}"


@cache
def _help(module: str, command: str) -> str:
    # In this process: starting one for each takes longer than all the rest of these tests.
    arguments = [module, *([command] if command else []), "--help"]
    said = io.StringIO()
    with (
        mock.patch.object(sys, "argv", arguments),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # that the module was imported before
        runpy.run_module(module, run_name="__main__")
    return said.getvalue()


def _gcloud(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        for name in _OUR_NAME.findall(word):
            if name not in resource_names():
                yield f"Terraform makes nothing of the name {name}"
    for flag, check in _VALUES.items():
        given = next((w.partition("=")[2] for w in words if w.startswith(f"{flag}=")), "")
        if given and "heimdex-operator" in words:
            yield from check(given.split(","))


def _operator(words: Sequence[str]) -> Iterator[str]:
    return _python(["-m", "gpu_jobs.admin", *words])


#: Flags whose value is a command of ours.
_VALUES: Final[Mapping[str, Callable[[Sequence[str]], Iterator[str]]]] = {"--args": _operator}


@cache
def resource_names() -> frozenset[str]:
    """Names that Terraform gives to resources, as far as text tells."""
    texts = [file.read_text(encoding="utf-8") for file in TERRAFORM.rglob("*.tf")]
    literal = {name for text in texts for name in re.findall(r'"(heimdex(?:-[a-z0-9-]+)?)"', text)}
    units = (TERRAFORM / "modules" / "environment" / "units.tf").read_text(encoding="utf-8")
    jobs = (TERRAFORM / "modules" / "environment" / "jobs.tf").read_text(encoding="utf-8")
    named = set(re.findall(r"^ {4}(\w+) += \{", units + jobs, re.MULTILINE))
    named |= {secret for text in texts for secret in re.findall(r"secrets += \{ (\w+) =", text)}
    lanes = {
        f"heimdex-{lane}{end}" for lane in ("media", "gpu") for end in ("", "-work", "-doorbell")
    }
    made_for_a_drill = {"heimdex-drill", "heimdex-point"}
    return frozenset(
        literal | {f"heimdex-{name.replace('_', '-')}" for name in named} | lanes | made_for_a_drill
    )
