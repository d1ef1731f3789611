"""Language codes of containers."""

from __future__ import annotations

import pytest

from gpu_jobs.media.language import primary_language


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("eng", "en"),
        ("kor", "ko"),
        ("ko-KR", "ko"),
        ("en_US", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("haw", "haw"),
        ("und", ""),
        ("", ""),
        (None, ""),
        ("`\x00!", ""),
    ],
)
def test_codes_become_primary_languages(code: str | None, language: str) -> None:
    """ISO 639-2 codes and tags become BCP 47 primary languages; the unknown becomes nothing."""
    assert primary_language(code) == language
