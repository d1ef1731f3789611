"""How far a download is: a bar per file on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Protocol

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

#: Plain lines come at each of these parts of a file.
_STEPS: Final = 10
#: Smaller files get one line, when they are there.
_LARGE_BYTES: Final = 50_000_000


class Reporter(Protocol):
    """Is told what happens to one file after the other."""

    def begin(self, name: str, done: int, total: int) -> None:
        """A file starts, or starts again, with `done` of `total` bytes (0 if unknown) there."""

    def advance(self, count: int) -> None:
        """So many more bytes."""

    def finish(self, outcome: str) -> None:
        """The file is dealt with; an empty outcome means nothing is to be said."""

    def say(self, text: str) -> None:
        """Something that is not about one file."""


class Bars:
    """Bars on a terminal. Use it as a context."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._name = ""
        self._task = self._progress.add_task("", visible=False)

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, name: str, done: int, total: int) -> None:
        """Show a bar."""
        self._name = name
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=total or None, completed=done)

    def advance(self, count: int) -> None:
        """Move the bar."""
        self._progress.advance(self._task, count)

    def finish(self, outcome: str) -> None:
        """Take the bar away and leave a line."""
        self._progress.update(self._task, visible=False)
        if outcome:
            self.say(f"{self._name}  {outcome}")

    def say(self, text: str) -> None:
        """Print above the bar."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Lines:
    """Lines for logs and pipes. Use it as a context."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name = ""
        self._done = 0
        self._total = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def begin(self, name: str, done: int, total: int) -> None:
        """Note where it starts; say so if it goes on."""
        self._name, self._done, self._total = name, done, total
        if done:
            self.say(f"{name}  goes on at {decimal(done)} of {decimal(total)}")

    def advance(self, count: int) -> None:
        """Print a line now and then."""
        before, self._done = self._done, self._done + count
        if self._total < _LARGE_BYTES:
            return
        step = self._done * _STEPS // self._total
        if step > before * _STEPS // self._total:
            self.say(f"{self._name}  {decimal(self._done)} of {decimal(self._total)}")

    def finish(self, outcome: str) -> None:
        """Print the outcome."""
        if outcome:
            self.say(f"{self._name}  {outcome}")

    def say(self, text: str) -> None:
        """Print."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def reporter(console: Console) -> Bars | Lines:
    """Bars if a person looks on, lines if not."""
    return Bars(console) if console.is_terminal else Lines(console)
