"""Names of people, as they are typed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from functions.api.titles import clean_title

MAX_NAME_LENGTH = 100
MAX_ALIASES = 20


def clean_name(name: str) -> str:
    """A name in NFC without surrounding space.

    Raises:
        PydanticCustomError: it is empty, too long, or holds characters that cannot be shown.
    """
    cleaned = clean_title(name)
    if len(cleaned) > MAX_NAME_LENGTH:
        raise PydanticCustomError(
            "name_length",
            "1 to {max} characters.",
            {"max": MAX_NAME_LENGTH, "ko": f"1~{MAX_NAME_LENGTH}자여야 합니다."},
        )
    return cleaned


def _distinct(aliases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(aliases))


Name = Annotated[str, Field(max_length=1000), AfterValidator(clean_name)]
#: Other names of the same person: romanised, nicknames. Each once, in the order given.
Aliases = Annotated[tuple[Name, ...], Field(max_length=MAX_ALIASES), AfterValidator(_distinct)]
