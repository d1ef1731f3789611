"""The list of defences is about the code as it is; `make defences` proves that each is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TestDatabase
from tests.defences.__main__ import ROOT, _first_failure, main
from tests.defences.catalogue import DEFENCES
from tests.defences.defence import Defence, Edit, StaleEditError
from tests.defences.policies import defences, policies


def _stale(defence: Defence) -> None:
    """Raise if an edit or a test of the defence is not there any more."""
    for edit in defence.edits:
        assert edit.applied(ROOT) != (ROOT / edit.path).read_text()
    for test in defence.tests:
        path, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text(), test


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: defence.name)
def test_a_defence_can_be_removed(defence: Defence) -> None:
    """The text to replace occurs once, and the tests that should notice are there."""
    _stale(defence)


def test_every_policy_is_a_defence(database: TestDatabase) -> None:
    """Each policy of the schema is on the list."""
    found = policies(database)
    made = list(defences(found))
    assert len({defence.name for defence in made}) == len(found)
    assert {policy.name for policy in found} == {"tenant", "ledger", "operator", "audit", "record"}
    for defence in made:
        _stale(defence)


def test_a_text_that_is_not_there_once_is_refused(tmp_path: Path) -> None:
    """A list that no longer fits the code says so instead of removing nothing."""
    (tmp_path / "code.py").write_text("one two two")
    assert Edit(path="code.py", old="one", new="1").applied(tmp_path) == "1 two two"
    for old in ("two", "three"):
        with pytest.raises(StaleEditError, match=old):
            Edit(path="code.py", old=old, new="").applied(tmp_path)


def test_the_first_failure_is_named() -> None:
    """Of the summary, not of what was logged; without a summary it is a failure all the same."""
    logged = "ERROR    heimdex:log.py:79 http.crashed\n"
    summary = "FAILED tests/a/test_b.py::test_c[d] - AssertionError\n1 failed\n"
    assert _first_failure(logged + summary) == "test_c[d]"
    assert _first_failure(logged)


@pytest.mark.deep
@pytest.mark.timeout(3_600)
def test_every_defence_is_needed() -> None:
    """Whichever is removed, a test turns red."""
    assert main([]) == 0
