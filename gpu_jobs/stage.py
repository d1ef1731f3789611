"""What a row of the pipeline's table is, and what makes a table of them sound."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from common.artifact_values import types_of
from common.domain import Lane
from common.ledger.endings import Indexed

#: What a stage may ask for besides other stages' artifacts.
FACILITIES: Final = frozenset(("media", "models", "names", "video", "progress"))


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What a stage may know of the video it works on."""

    user_id: UUID
    video_id: UUID
    #: Of the video object in Cloud Storage.
    generation: int
    #: Of the index that is being built.
    index_version: str


@dataclass(frozen=True, kw_only=True)
class Export:
    """An object that a stage gives out besides its artifact, in the artifacts bucket."""

    name: str
    data: bytes
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One row: a pure function from artifacts to an artifact.

    The names of the function's arguments say what it needs, its return type what it gives.
    """

    #: Also the name of its artifact, log field and row in the ledger.
    name: str
    lane: Lane
    #: Raise it to have the stage run again for what is still under way.
    version: int
    run: Callable[..., Any]
    #: Field of the function's result, when several rows share one function.
    part: str = ""
    #: Objects to store before the stage is done.
    exports: Callable[[VideoFacts, Any], Iterable[Export]] | None = None
    #: Writes rows in the transaction that ends the run; one row of a lane at most has it.
    apply: Callable[[VideoFacts, Any, Connection], Indexed] | None = None

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Names of everything that the function asks for."""
        return tuple(inspect.signature(self.run).parameters)

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Names of the stages whose artifacts the function asks for."""
        return tuple(name for name in self.arguments if name not in FACILITIES)

    @cached_property
    def result_type(self) -> type[Any]:
        """What the function returns."""
        result: type[Any] = self._hints["return"]
        return result

    @cached_property
    def artifact_type(self) -> type[Any]:
        """What is stored: the result, or its part."""
        if not self.part:
            return self.result_type
        kind: type[Any] = types_of(self.result_type)[self.part]
        return kind

    def expects(self, need: str) -> type[Any]:
        """The declared type of a needed artifact."""
        kind: type[Any] = self._hints[need]
        return kind

    def artifact_of(self, result: Any) -> Any:
        """The stage's own part of the function's result."""
        return getattr(result, self.part) if self.part else result

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        return typing.get_type_hints(self.run)


class Pipeline:
    """A table of stages in the order they run.

    Raises:
        ValueError: the rows do not fit together.
    """

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages = tuple(stages)
        self.lanes: tuple[Lane, ...] = tuple(lane for lane, _ in groupby(self._lane_of_rows()))
        if len(set(self.lanes)) != len(self.lanes):
            raise ValueError("the rows of a lane must follow each other")
        known: dict[str, Stage] = {}
        for stage in self.stages:
            _check(stage, known)
            known[stage.name] = stage

    def lane(self, lane: Lane) -> tuple[Stage, ...]:
        """The rows of a lane."""
        return tuple(stage for stage in self.stages if stage.lane == lane)

    def groups(self, lane: Lane) -> tuple[tuple[Stage, ...], ...]:
        """The rows of a lane, those together that one call of one function makes."""
        return tuple(tuple(rows) for _, rows in groupby(self.lane(lane), lambda stage: stage.run))

    def next_lane(self, lane: Lane) -> Lane | None:
        """The lane that follows."""
        place = self.lanes.index(lane) + 1
        return self.lanes[place] if place < len(self.lanes) else None

    def stage(self, name: str) -> Stage:
        """The row of that name."""
        return next(stage for stage in self.stages if stage.name == name)

    def _lane_of_rows(self) -> Iterable[Lane]:
        return (stage.lane for stage in self.stages)


def _check(stage: Stage, known: Mapping[str, Stage]) -> None:
    if stage.name in known:
        raise ValueError(f"{stage.name} is there twice")
    if not dataclasses.is_dataclass(stage.artifact_type):
        raise ValueError(f"{stage.name} returns no dataclass")
    for need in stage.needs:
        if need not in known:
            raise ValueError(f"{stage.name} needs {need}, which no earlier row makes")
        if stage.expects(need) is not known[need].artifact_type:
            raise ValueError(f"{stage.name} expects another type of {need}")
    foreign = {"models", "names"} if stage.lane == "media" else {"media"}
    if foreign & set(stage.arguments):
        raise ValueError(f"{stage.name} of lane {stage.lane} may not ask for {foreign}")
    if stage.lane == "media" and "media" not in stage.arguments:
        raise ValueError(f"{stage.name} of lane media must take the upload")
