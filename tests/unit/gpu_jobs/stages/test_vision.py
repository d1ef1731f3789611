"""Frames to vectors, tags and (no) faces."""

from __future__ import annotations

import numpy as np
import pytest

from common.domain import SampledFrames
from common.encoders import load as load_encoders
from common.errors import ContractError
from gpu_jobs.stage import Features
from gpu_jobs.stages import faces_detect, vision_embed_frames, vision_tags
from tests.unit.common.encoders import drawn
from tests.unit.gpu_jobs.stages.examples import frame, frames, models


def sampled() -> SampledFrames:
    """Two scenes: a red car at night in two frames, a green field in one."""
    rng = np.random.default_rng(2)
    return frames(
        frame(drawn.wall(rng, "blue", bright=False), scene=0, time_ms=100),
        frame(drawn.car(rng, "red", night=True), scene=0, time_ms=900),
        frame(drawn.field(rng), scene=1, time_ms=2_000),
    )


def test_queries_find_their_frame() -> None:
    """The vectors meet those of the query encoder: each query's best frame is the right one."""
    vectors = vision_embed_frames.run(
        features=Features(), vision_sample_frames=sampled(), models=models()
    )
    assert vectors.vectors.shape == (3, 1152)
    encoder = load_encoders("offline").image
    assert vectors.model == encoder.name
    for query, expected in (("빨간 차 밤에", 1), ("green field at noon", 2), ("dark blue", 0)):
        encoded = encoder.encode(query)
        assert encoded is not None
        cosines = vectors.vectors @ encoded
        assert int(cosines.argmax()) == expected
        assert encoder.calibrate(float(cosines.max())) > 0.6


def test_small_decoding_changes_little() -> None:
    """A large frame is decoded at a fraction of its size, with nearly the same vector."""
    picture = drawn.car(np.random.default_rng(8), "red", night=True)
    large = np.repeat(np.repeat(picture, 3, axis=0), 3, axis=1)
    vectors = vision_embed_frames.run(
        features=Features(),
        vision_sample_frames=frames(frame(picture), frame(large)),
        models=models(),
    ).vectors
    assert float(vectors[0] @ vectors[1]) > 0.97


def test_a_scene_has_the_tags_of_its_frames() -> None:
    """Tags are those of any frame of the scene, best first, with scores from 0.5 to 1."""
    vectors = vision_embed_frames.run(
        features=Features(), vision_sample_frames=sampled(), models=models()
    )
    tags = vision_tags.run(
        vision_sample_frames=sampled(), vision_embed_frames=vectors, models=models()
    )
    by_scene = [{t.tag for t in tags.tags if t.ordinal == scene} for scene in (0, 1)]
    assert {"red", "night", "dark", "navy"} <= by_scene[0]
    assert {"green", "day"} <= by_scene[1]
    assert not {"night", "dark", "red"} & by_scene[1]
    assert "blue_or_green" not in by_scene[0] | by_scene[1]
    first = [t.score for t in tags.tags if t.ordinal == 0]
    assert first == sorted(first, reverse=True)
    assert all(0.5 <= tag.score <= 1 for tag in tags.tags)


def test_no_frames_give_nothing() -> None:
    """A video without frames has no vectors and no tags."""
    vectors = vision_embed_frames.run(
        features=Features(), vision_sample_frames=frames(), models=models()
    )
    assert vectors.vectors.shape == (0, 1152)
    tags = vision_tags.run(
        vision_sample_frames=frames(), vision_embed_frames=vectors, models=models()
    )
    assert tags.tags == ()


def test_a_damaged_frame_is_a_contract_error() -> None:
    """Bytes that are not a JPEG mean a corrupt artifact."""
    broken = frame(drawn.field(np.random.default_rng(1)))
    damaged = frames(type(broken)(**{**vars(broken), "jpeg": b"\x89PNG not a jpeg"}))
    with pytest.raises(ContractError, match="artifact_corrupt"):
        vision_embed_frames.run(features=Features(), vision_sample_frames=damaged, models=models())


def test_faces_are_off_and_the_record_says_so() -> None:
    """The offline profile has no face model, and says so instead of failing."""
    faces = faces_detect.run(
        vision_sample_frames=sampled(), models=models(), consent=True, progress=lambda _: None
    )
    assert faces.observations == ()
    assert faces.note == "profile_has_no_face_model"


def test_switched_off_pictures_are_not_looked_at() -> None:
    """Without vision there are no vectors and no tags, and both records say why."""
    vectors = vision_embed_frames.run(
        vision_sample_frames=sampled(), models=models(), features=Features(vision=False)
    )
    assert (vectors.vectors.shape, vectors.note) == ((0, 1152), "vision_switched_off")
    tags = vision_tags.run(
        vision_sample_frames=sampled(), vision_embed_frames=vectors, models=models()
    )
    assert (tags.tags, tags.note) == ((), "vision_switched_off")
