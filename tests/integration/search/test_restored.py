"""A ledger that was lost and restored answers as the lost one did, to whom it did."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from common.errors import TransientError
from local.backup import Ledger, main
from tests.conftest import TestDatabase
from tests.integration.search.conftest import Library

_QUERIES = ("기차가 곧 출발합니다", "a red car at night", "EXIT 3", "noodles")

_POLICIES = """
    SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies
    ORDER BY tablename, policyname
"""
_FORCED = """
    SELECT relname, relrowsecurity, relforcerowsecurity, relacl::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname
"""


def _ledger(database: TestDatabase) -> Ledger:
    return Ledger(make_url(database.url()))


def test_search_finds_the_same_after_a_restore(library: Library, tmp_path: Path) -> None:
    """While it is lost nothing is answered; afterwards every query finds what it found."""
    before = {query: library.places(library.find(query)) for query in _QUERIES}
    assert all(before.values())
    ledger, backup = _ledger(library.database), tmp_path / "ledger.dump"
    ledger.save(backup)
    ledger.lose()
    with pytest.raises(TransientError):
        library.find(_QUERIES[0])
    ledger.restore(backup)
    assert {query: library.places(library.find(query)) for query in _QUERIES} == before


def test_tenants_are_as_far_apart_after_a_restore(library: Library, tmp_path: Path) -> None:
    """Policies, that they are forced, and grants are in the backup like the rows."""
    before = [library.database.owner_rows(sql) for sql in (_POLICIES, _FORCED)]
    assert all(before)
    ledger, backup = _ledger(library.database), tmp_path / "ledger.dump"
    ledger.save(backup)
    ledger.restore(backup)
    assert [library.database.owner_rows(sql) for sql in (_POLICIES, _FORCED)] == before


def test_a_torn_backup_is_an_error(library: Library, tmp_path: Path) -> None:
    """What cannot be read is not taken for an empty ledger."""
    ledger, backup = _ledger(library.database), tmp_path / "ledger.dump"
    ledger.save(backup)
    backup.write_bytes(backup.read_bytes()[:200])
    with pytest.raises(RuntimeError, match="pg_restore"):
        ledger.restore(backup)


def test_without_a_running_cloud_there_is_nothing_to_save(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says what to start."""
    assert main(["save", "--state", str(tmp_path), str(tmp_path / "x")]) == 1
    assert "make up" in capsys.readouterr().err
