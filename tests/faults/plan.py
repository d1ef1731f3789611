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

    #: "indexed", "failed", "deleted"; "gone": with the whole account.
    state: str = "indexed"
    #: Code of a failed video.
    code: str = ""
    #: Runs that die, each with one dead letter.
    dead: int = 0
    #: Unreadable messages among the dead letters, each buried once or more.
    buried: int = 0
    #: No letter is kept any more.
    letters_forgotten: bool = False
    #: States of the exports that are left.
    exports: tuple[str, ...] = ()
    #: Runs of the same stage beyond the first, summed over stages.
    repeats: int = 1
    #: Claims beyond the first, summed over lanes; None: not looked at.
    claims: int | None = None
    #: Rounds of recovery that it takes at least: with fewer, the fault cannot have happened.
    rounds: int = 0
    #: Versions of stages that are not 1.
    versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One fault: which process meets it, where, and what happens to it there."""

    #: Who meets it: a key of `tests.faults.cast.ROLE_OF`; "" for nobody.
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
    #: Before anything else happens.
    setup: Step | None = None
    #: Just before the actor starts, and after it has ended.
    before: Step | None = None
    after: Step | None = None
    #: When a process knocks because its request says so.
    meanwhile: Step | None = None
    #: So many processes of the actor at once.
    copies: int = 1
    #: The actor is met this many times, each in a process of its own.
    times: int = 1
    #: Every actor's process is a child, so that all points that are passed are known.
    traced: bool = False
    #: Things that happen besides: "extend" before the bytes are sent, all others (`errands`) once
    #: the video is indexed; "abandon" is to send no bytes at all.
    errands: frozenset[str] = frozenset()
    #: Content of the upload.
    content: str = ""
    expect: Expect = field(default_factory=Expect)
