"""Contents on their way to disk."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.storage.content import ALIGNMENT_BYTES, PartialContent


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """One directory for all examples."""
    with TemporaryDirectory() as name:
        yield Path(name)


def pieces() -> st.SearchStrategy[list[int | None]]:
    """Sizes to write; None rolls back."""
    size = st.integers(0, 3 * ALIGNMENT_BYTES)
    return st.lists(st.one_of(st.none(), size), max_size=6)


@given(steps=pieces(), recover=st.booleans())
@settings(max_examples=40)
def test_behaves_like_a_byte_string(
    directory: Path, steps: list[int | None], recover: bool
) -> None:
    """Writing appends, rolling back cuts to a whole multiple, and the checksums always fit."""
    path = directory / "content"
    path.unlink(missing_ok=True)
    content, model = PartialContent(path), b""
    for number, size in enumerate(steps):
        if size is None:
            content.roll_back()
            model = model[: len(model) // ALIGNMENT_BYTES * ALIGNMENT_BYTES]
        else:
            data = bytes([number + 1]) * size
            content.write(data)
            model += data
        assert content.size_bytes == len(model)
        assert content.safe_bytes == len(model) // ALIGNMENT_BYTES * ALIGNMENT_BYTES
    if recover:
        content.close()
        content = PartialContent.recover(path)
        model = model[: len(model) // ALIGNMENT_BYTES * ALIGNMENT_BYTES]
    done = content.finish()
    assert done.path.read_bytes() == model
    assert done.size_bytes == len(model)
    assert base64.b64decode(done.md5) == hashlib.md5(model).digest()
    assert base64.b64decode(done.crc32c) == google_crc32c.Checksum(model).digest()


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    """A content that is given up leaves no file."""
    content = PartialContent(tmp_path / "content")
    content.write(b"x")
    content.discard()
    assert list(tmp_path.iterdir()) == []
