"""The commands in the runbooks: where they stand, where they run, and what they are made of."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

ROOT: Final = Path(__file__).parents[2]
RUNBOOKS: Final = ROOT / "docs" / "runbooks"

Kind = Literal["local", "cloud", "hand"]
KINDS: Final[Sequence[Kind]] = ("local", "cloud", "hand")

_BLOCK: Final = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
#: The innermost $(…) of a command.
_SUBSTITUTION: Final = re.compile(r"\$\(([^()]*)\)")
_KEYWORDS: Final = frozenset({"if", "then", "else", "fi", "!", "for", "do", "done", "while"})
_ASSIGNMENT: Final = re.compile(r"[A-Z_][A-Z0-9_]*=.*", re.DOTALL)
_REDIRECTIONS: Final = frozenset({">", ">>", "<"})


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block of a runbook."""

    file: Path
    line: int
    #: What follows the fence: "sh local", "sh cloud" or "sh hand" for commands.
    info: str
    text: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.file.name}:{self.line}"

    @property
    def kind(self) -> str:
        """Where it runs: the word after the language, or nothing."""
        return self.info.partition(" ")[2]

    @property
    def commands(self) -> list[list[str]]:
        """Every simple command, also those that another one takes its words from."""
        return list(simple_commands(self.text))


def blocks(file: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    page = file.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(page):
        indent = len(match["indent"])
        text = "".join(line[indent:] for line in match["text"].splitlines(keepends=True))
        line = page.count("\n", 0, match.start()) + 1
        found.append(Block(file=file, line=line, info=match["info"].strip(), text=text))
    return found


def all_blocks(kind: str = "") -> list[Block]:
    """The blocks of all runbooks, of one kind if asked."""
    found = [block for file in sorted(RUNBOOKS.glob("*.md")) for block in blocks(file)]
    return [block for block in found if not kind or block.kind == kind]


def simple_commands(script: str) -> Iterator[list[str]]:
    """Split a script into its commands: lists of words, without assignments and redirections."""
    joined = script.replace("\\\n", " ")
    while match := _SUBSTITUTION.search(joined):
        yield from simple_commands(match[1])
        joined = joined[: match.start()] + "SUBSTITUTED" + joined[match.end() :]
    for line in joined.splitlines():
        yield from _of_line(line)


def _of_line(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    redirected = False
    for token in lexer:
        if token in _REDIRECTIONS:
            redirected = True
        elif set(token) <= set("|&;()"):
            yield from _without_prefix(words)
            words = []
        elif redirected:
            redirected = False
        else:
            words.append(token)
    yield from _without_prefix(words)


def _without_prefix(words: Sequence[str]) -> Iterator[list[str]]:
    rest = list(words)
    while rest and (rest[0] in _KEYWORDS or _ASSIGNMENT.fullmatch(rest[0])):
        del rest[0]
    if rest:
        yield rest
