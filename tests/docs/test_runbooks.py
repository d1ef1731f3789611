"""Runbooks name only what exists, and say of every command where it runs."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.docs import checks
from tests.docs.commands import KINDS, ROOT, RUNBOOKS, Block, all_blocks, blocks, simple_commands

#: What alerts link to; the names are kept.
_PROMISED = (
    "dead-letters",
    "first-deploy",
    "gpu-quota",
    "regional-move",
    "restore-drill",
    "rollback",
    "rotation",
    "stuck-video",
)
_LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")
_ALERT = re.compile(r'title += "([^"]+)".*?runbook = "([a-z-]+)"', re.DOTALL)
_PAGES = sorted(RUNBOOKS.glob("*.md"))


def test_all_promised_runbooks_are_there_and_in_the_index() -> None:
    """Alerts can link to each, and a person finds each."""
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    for name in _PROMISED:
        assert (RUNBOOKS / f"{name}.md").is_file()
        assert f"[{name}.md]({name}.md)" in index


def test_each_alert_is_named_by_the_runbook_that_it_links_to() -> None:
    """Who follows an alert's link finds the alert's words there."""
    alerts = checks.TERRAFORM / "modules" / "observability" / "alerts.tf"
    found = _ALERT.findall(alerts.read_text(encoding="utf-8"))
    assert found
    for title, name in found:
        page = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        assert title in " ".join(page.split()), f"{name}.md does not name {title!r}"


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the repository names a file."""
    for target, _ in _LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_every_block_says_where_it_runs(page: Path) -> None:
    """Commands are local, of the cloud, or by hand; nothing is left to be guessed."""
    for block in blocks(page):
        language, _, kind = block.info.partition(" ")
        assert language != "sh" or kind in KINDS, block.where
        assert language in ("sh", "text", "hcl"), block.where


@pytest.mark.parametrize("block", all_blocks(), ids=lambda block: block.where)
def test_every_name_in_a_command_is_of_something(block: Block) -> None:
    """Targets, folders, variables, outputs, modules, flags and resources exist.

    That a command of the cloud does what it should, nothing here shows: nobody has run it.
    """
    found = [problem for command in block.commands for problem in checks.problems(command)]
    assert not found, f"{block.where}: {found}"


def test_it_counts_what_was_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    """The summary says how many commands of the cloud were only looked at."""
    counted = Counter(block.kind for block in all_blocks() for _ in block.commands)
    assert counted["local"]
    with capsys.disabled():
        sys.stdout.write(
            f"\nrunbooks: {counted['local']} commands are run by tests/e2e/test_runbooks.py; "
            f"{counted['cloud']} of the cloud and {counted['hand']} by hand are only checked "
            "(python -m tests.docs)\n"
        )


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("make no-such-target", "no target"),
        ("make demo NOTHING=1", "nothing with NOTHING"),
        ("terraform -chdir=terraform/nowhere plan", "no folder"),
        ("terraform -chdir=terraform/bootstrap plan -var colour=red", "no variable colour"),
        ("terraform -chdir=terraform/bootstrap output -raw colour", "no output colour"),
        (".venv/bin/python -m local.nothing", "no module"),
        (".venv/bin/python -m local.backup save --colour", "no --colour"),
        ("frobnicate", "nobody knows"),
    ],
)
def test_a_wrong_name_is_noticed(command: str, problem: str) -> None:
    """Each kind of check fails for a name that nothing has."""
    (words,) = simple_commands(command)
    assert problem in "; ".join(checks.problems(words))


def test_a_wrong_resource_is_noticed() -> None:
    """A job that Terraform does not make, and a flag that the operator's command does not have."""
    for command, problem in (
        ("gcloud run jobs execute heimdex-nobody", "nothing of the name heimdex-nobody"),
        ("gcloud run jobs execute heimdex-operator --args=list,--colour", "no --colour"),
    ):
        (words,) = simple_commands(command)
        assert problem in "; ".join(checks.problems(words))


def test_commands_are_taken_apart() -> None:
    """Pipes, substitutions, assignments, conditions, redirections, comments and long lines."""
    script = (
        "A=1 make demo > out.txt # not me\n"
        'if ! gcloud run "$(terraform output -raw x)"; then exit 1; fi\n'
        "openssl rand \\\n  -hex 32 | gcloud secrets add\n"
    )
    assert [" ".join(command) for command in simple_commands(script)] == [
        "terraform output -raw x",
        "make demo",
        "gcloud run SUBSTITUTED",
        "exit 1",
        "openssl rand -hex 32",
        "gcloud secrets add",
    ]


def test_the_page_about_costs_and_the_modules_are_linked() -> None:
    """What readers look for first leads to the runbooks."""
    assert "docs/runbooks/first-deploy.md" in (ROOT / "README.md").read_text(encoding="utf-8")
