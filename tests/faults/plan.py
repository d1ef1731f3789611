"""What goes wrong in one run, and how the run must end all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.processes import Child
    from tests.faults.story import Story

#: Done while a child stands still at its point; the child is None where no child is concerned.
Deed = Callable[["Story", "Child"], None]
Step = Callable[["Story"], None]


@dataclass(frozen=True, kw_only=True)
class Expect:
    """How the video must end."""

    #: "indexed", "failed" or "deleted".
    state: str = "indexed"
    #: Code of a failed video.
    code: str = ""
    #: Runs that die, each with one dead letter.
    dead: int = 0
    #: Unreadable messages among the dead letters.
    buried: int = 0
    #: Runs of the same stage beyond the first, summed over stages.
    repeats: int = 1
    #: Claims beyond the first, summed over lanes; None: not looked at.
    claims: int | None = None
    #: Sidecars and artifacts of an object that a newer one replaced may stay.
    generations: int = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One fault: which process meets it, where, and what happens to it there."""

    #: Who meets it: a key of `tests.faults.story.ROLE_OF`; "" for nobody.
    actor: str = ""
    #: Point of the fault in that process's first life, e.g. `before:run.claim`; "" for none.
    point: str = ""
    #: The how manieth passing of the point.
    nth: int = 1
    #: None at a point: SIGKILL.
    deed: Deed | None = None
    #: Options of the first process of the actor.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Options of every later process of the pipeline's workers.
    later: Mapping[str, Any] = field(default_factory=dict)
    #: Just before the actor starts, and after it has ended.
    before: Step | None = None
    after: Step | None = None
    #: So many processes of the actor at once.
    copies: int = 1
    #: The actor is met this many times, each in a process of its own.
    times: int = 1
    #: Once the video is indexed, delete it, too.
    delete: bool = False
    #: Content of the upload.
    content: str = ""
    expect: Expect = field(default_factory=Expect)
