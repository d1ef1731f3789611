"""The labelled pairs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from local.calibration import pairs


def test_there_are_enough_pairs_of_both_languages() -> None:
    """The file is valid, and large enough to fit a curve to either language."""
    languages = Counter(pair.language for pair in pairs.read())
    assert languages["en"] >= 100
    assert languages["ko"] >= 30


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("query\tline\n", "heading"),
        ("query\tline\tlanguage\na\tb\n", ":2:"),
        ("query\tline\tlanguage\na\t\ten\n", ":2:"),
        ("query\tline\tlanguage\na\tb\ten\nc\td\tde\n", ":3:"),
        ("query\tline\tlanguage\na\tb\ten\na\tc\ten\n", "twice"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """It says where, rather than fit to half a file."""
    path = tmp_path / "pairs.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        pairs.read(path)
