"""The Range header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.storage.ranges import ByteRange, UnsatisfiableRange, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=2-4", (2, 4)),
        ("bytes=2-", (2, 9)),
        ("bytes=2-99", (2, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-99", (0, 9)),
        ("Bytes = 1 - 2", (1, 2)),
    ],
)
def test_satisfiable(header: str, expected: tuple[int, int]) -> None:
    """A range is cut to the content."""
    assert parse_range(header, 10) == ByteRange(first=expected[0], last=expected[1])


@pytest.mark.parametrize(
    "header", [None, "", "bytes=", "bytes=-", "bytes=4-2", "items=0-1", "bytes=0-1,3-4", "x"]
)
def test_ignored(header: str | None) -> None:
    """What is not one valid range of bytes asks for the whole content."""
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-12", 10), ("bytes=-0", 10), ("bytes=-1", 0)]
)
def test_unsatisfiable(header: str, size: int) -> None:
    """A range without a byte of the content is refused."""
    with pytest.raises(UnsatisfiableRange):
        parse_range(header, size)


@given(
    content=st.binary(min_size=1, max_size=50), first=st.integers(0, 60), last=st.integers(0, 60)
)
def test_same_as_slicing(content: bytes, first: int, last: int) -> None:
    """A range is the slice from its first to its last byte."""
    expected = content[first : last + 1]
    try:
        found = parse_range(f"bytes={first}-{last}", len(content))
    except UnsatisfiableRange:
        assert first >= len(content)
        return
    if last < first:
        assert found is None
    else:
        assert found is not None
        assert content[found.first : found.last + 1] == expected
        assert found.length == len(expected)
