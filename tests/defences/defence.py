"""What a defence is, and what it takes to remove it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class StaleEditError(Exception):
    """The text to replace is not there once."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A textual replacement in one file.

    Args:
        path: from the root of the tree.
        old: occurs exactly once.
        new: takes its place.
    """

    path: str
    old: str
    new: str

    def applied(self, root: Path) -> str:
        """The file's content with the replacement.

        Raises:
            StaleEditError: the code has changed; say anew what the defence is.
        """
        content = (root / self.path).read_text()
        if (found := content.count(self.old)) != 1:
            raise StaleEditError(f"{self.path}: {self.old!r} occurs {found} times")
        return content.replace(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class Defence:
    """Something in the production code that is there to keep a promise.

    Args:
        name: what it is, in words.
        edits: remove it.
        tests: node ids; one of them at least fails without it.
    """

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
