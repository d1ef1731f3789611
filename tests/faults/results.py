"""What a run came to, as a line that processes hand on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
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


def write(path: Path, results: Iterable[Result]) -> None:
    """A line each."""
    path.write_text("".join(json.dumps(asdict(result)) + "\n" for result in results))


def read(path: Path) -> Iterator[Result]:
    """What `write` wrote."""
    for line in path.read_text().splitlines():
        yield Result(**json.loads(line))
