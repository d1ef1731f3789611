"""What the stages found, regrouped by scene; the sidecar and the index rows are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.domain import (
    FaceObservation,
    Faces,
    Frame,
    FrameVectors,
    SampledFrames,
    Scene,
    Scenes,
    SceneTranscript,
    SceneTranscripts,
    ScreenText,
    SparseRows,
    Tag,
    Tags,
    TextLine,
    TextVectors,
)
from common.errors import ContractError


@dataclass(frozen=True, kw_only=True)
class LearnedTerm:
    """How much the text model has a token count for a scene."""

    #: Id in the model's vocabulary.
    token: int
    #: Above 0.
    weight: float


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneParts:
    """Everything that is known of one scene."""

    scene: Scene
    transcript: SceneTranscript
    #: (1024,) float32, or None if nothing said could be embedded.
    text_vector: npt.NDArray[np.float32] | None
    frames: tuple[Frame, ...]
    #: (n_frames, 1152) float32; (0, 1152) if pictures are not looked at.
    frame_vectors: npt.NDArray[np.float32]
    tags: tuple[Tag, ...]
    screen_text: tuple[TextLine, ...]
    faces: tuple[FaceObservation, ...] = ()
    #: Of what is said, rising by token; empty if the text model gives none.
    learned: tuple[LearnedTerm, ...] = ()

    @property
    def embedded(self) -> tuple[Frame, ...]:
        """The frames that have vectors: all, or none."""
        return self.frames if len(self.frame_vectors) else ()

    @property
    def best_frame_ms(self) -> int:
        """Time of the sharpest frame, the earliest of equals; the scene's start without frames."""
        if not self.frames:
            return self.scene.start_ms
        return min(self.frames, key=lambda frame: (-frame.sharpness, frame.time_ms)).time_ms


def split(
    *,
    scenes: Scenes,
    transcripts: SceneTranscripts,
    text: TextVectors,
    frames: SampledFrames,
    vectors: FrameVectors,
    tags: Tags,
    screen: ScreenText,
    faces: Faces | None = None,
) -> tuple[SceneParts, ...]:
    """Regroup by scene, in scene order.

    Raises:
        ContractError: the stages disagree on the number of scenes, frames, vectors or sparse rows.
    """
    embedded = not vectors.note
    if embedded and len(vectors.vectors) != len(frames.frames):
        raise ContractError("artifact_corrupt", "as many frame vectors as frames expected")
    if [t.ordinal for t in transcripts.scenes] != [s.ordinal for s in scenes.scenes]:
        raise ContractError("artifact_corrupt", "as many transcripts as scenes expected")
    if len(text.ordinals) != len(text.dense):
        raise ContractError("artifact_corrupt", "as many text vectors as ordinals expected")
    dense = dict(zip(text.ordinals, text.dense, strict=True))
    learned = _learned(text)
    homes = np.array([frame.scene_ordinal for frame in frames.frames], dtype=np.int64)
    observations = faces.observations if faces else ()
    return tuple(
        SceneParts(
            scene=scene,
            transcript=transcript,
            text_vector=dense.get(scene.ordinal),
            frames=tuple(f for f in frames.frames if f.scene_ordinal == scene.ordinal),
            frame_vectors=vectors.vectors[homes == scene.ordinal] if embedded else vectors.vectors,
            tags=tuple(t for t in tags.tags if t.ordinal == scene.ordinal),
            screen_text=tuple(t for t in screen.lines if t.scene_ordinal == scene.ordinal),
            faces=tuple(f for f in observations if f.scene_ordinal == scene.ordinal),
            learned=learned.get(scene.ordinal, ()),
        )
        for scene, transcript in zip(scenes.scenes, transcripts.scenes, strict=True)
    )


def _learned(text: TextVectors) -> dict[int, tuple[LearnedTerm, ...]]:
    """The sparse rows by scene."""
    if text.sparse is None:
        return {}
    if len(text.sparse.offsets) != len(text.ordinals) + 1:
        raise ContractError("artifact_corrupt", "as many sparse rows as ordinals expected")
    return {ordinal: tuple(_row(text.sparse, place)) for place, ordinal in enumerate(text.ordinals)}


def _row(sparse: SparseRows, place: int) -> Iterator[LearnedTerm]:
    row = slice(*sparse.offsets[place : place + 2])
    for token, weight in zip(sparse.tokens[row], sparse.weights[row], strict=True):
        yield LearnedTerm(token=int(token), weight=float(weight))
