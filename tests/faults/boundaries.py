"""The nineteen places where something can go wrong, and who stands there.

S1 issue URL to S19 deletion, as the way of the data goes. A boundary names the actor whose process
meets the fault, and the durable effects (with the how manieth time in that process) around which
it happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One passing of a named effect in a process."""

    name: str
    nth: int = 1


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """Where a fault can happen."""

    name: str
    title: str
    actor: str
    effects: tuple[Effect, ...]
    #: Of the pipeline, or "".
    stage: str = ""
    #: Rows of the pipeline that are made together with the stage's.
    rows: int = 1

    @property
    def number(self) -> int:
        """1–19."""
        return int(self.name[1:])

    @property
    def commit(self) -> Effect:
        """The transaction of the boundary."""
        return self.effects[-1]


#: Which call of its lane makes the stage, and which artifact of the lane it is, both from 1.
_GPU_STAGES: Final = (
    "asr_transcribe",
    "align_merge",
    "embed_text",
    "vision_embed_frames",
    "vision_tags",
    "text_read",
    "faces_detect",
    "sidecar_build",
    "commit",
)


def _stage(name: str, title: str, stage: str) -> Boundary:
    if stage in _GPU_STAGES:
        call = artifact = _GPU_STAGES.index(stage) + 1
        actor, rows = "gpu", 1
    else:
        # The second call of the media lane makes three artifacts after the validation's.
        call, artifact = 2, {"audio_extract": 2, "scene_detect": 3}[stage]
        actor, rows = "media", 3
    extra = tuple(Effect(name="export.write", nth=n) for n in (1, 2) if stage == "sidecar_build")
    ends = (Effect(name="run.complete"),) if stage == "commit" else ()
    return Boundary(
        name=name,
        title=title,
        actor=actor,
        stage=stage,
        rows=rows,
        effects=(
            Effect(name="stage.start", nth=call),
            Effect(name="artifact.write", nth=artifact),
            *extra,
            Effect(name="stage.finish", nth=call),
            *ends,
        ),
    )


def _other(name: str, title: str, actor: str, *effects: str) -> Boundary:
    return Boundary(
        name=name, title=title, actor=actor, effects=tuple(Effect(name=x) for x in effects)
    )


BOUNDARIES: Final = (
    _other("S1", "issue URL", "api", "user.create", "upload.announce"),
    _other("S2", "upload", "client", "client.put"),
    _other("S3", "finalize event", "finalize", "event.answer"),
    _other("S4", "validate", "finalize", "upload.finalize"),
    _other("S5", "publish (outbox)", "finalize", "outbox.publish", "outbox.mark"),
    _other("S6", "dispatch", "dispatch", "job.start", "push.answer"),
    _other("S7", "claim", "media", "message.ack", "run.claim"),
    _stage("S8", "decode", "audio_extract"),
    _stage("S9", "speech", "asr_transcribe"),
    _stage("S10", "scenes", "scene_detect"),
    _stage("S11", "align", "align_merge"),
    _stage("S12", "text embedding", "embed_text"),
    _stage("S13", "vision embedding", "vision_embed_frames"),
    _stage("S14", "tags", "vision_tags"),
    _stage("S15", "faces", "faces_detect"),
    _stage("S16", "sidecars", "sidecar_build"),
    _stage("S17", "commit", "commit"),
    _other("S18", "search", "search", "request.answer"),
    _other("S19", "deletion", "delete", "request.answer", "video.erase"),
)
BY_NAME: Final[Mapping[str, Boundary]] = {boundary.name: boundary for boundary in BOUNDARIES}
