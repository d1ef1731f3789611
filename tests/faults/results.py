"""What a run came to, as a line that processes hand on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run."""

    kind: Literal["cell", "effect"]
    #: Of the cell, or scenario, actor and point.
    name: str
    seed: int
    seconds: float
    #: What was broken.
    broken: list[str] = field(default_factory=list)


def add(path: Path, result: Result) -> None:
    """A line more, so that what is done stays when the process dies."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def read(path: Path) -> Iterator[Result]:
    """What `add` wrote."""
    for line in path.read_text().splitlines():
        yield Result(**json.loads(line))
