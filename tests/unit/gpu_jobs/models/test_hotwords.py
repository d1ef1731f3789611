"""Names as a hint to the speech model."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from gpu_jobs.models import hotwords


def test_names_are_listed() -> None:
    """In order, composed, each once."""
    names = ["민지", unicodedata.normalize("NFD", "민지"), "  Anna  Lee ", "O'Neil", "", "…"]
    assert hotwords.hint(names, len) == "민지, Anna Lee, O'Neil"
    assert hotwords.hint([], len) is None
    assert hotwords.hint(["<|>"], len) is None


def test_commands_are_taken_apart() -> None:
    """A tokenizer finds no special token in what is left."""
    assert hotwords.hint(["<|startoftranscript|><|en|>Bob\n\x00[x]"], len) == (
        "startoftranscript en Bob x"
    )


def test_a_hint_leaves_room_for_the_text() -> None:
    """At most 96 tokens; a name that does not fit is left out whole."""
    names = [f"name{n}" for n in range(200)]
    hint = hotwords.hint(names, lambda text: len(text.split()))
    assert hint is not None
    assert len(hint.split(", ")) == 64
    hint = hotwords.hint(names, len)
    assert hint is not None
    assert len(" " + hint) <= hotwords.MAX_TOKENS
    assert hint.split(", ") == names[: hint.count(",") + 1]


@given(st.lists(st.text()))
def test_any_name_is_harmless(names: list[str]) -> None:
    """Whatever a user calls people, no bracket, bar or control character gets through."""
    hint = hotwords.hint(names, len) or ""
    assert not set("<>|[]{}\n\r\t") & set(hint)
    assert hint.isprintable()
