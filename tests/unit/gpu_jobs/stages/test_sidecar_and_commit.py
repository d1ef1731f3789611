"""What the stages found, as sidecars and as index rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pytest

from common.artifacts import decode, encode
from common.domain import (
    FaceObservation,
    Faces,
    FrameVectors,
    IndexRows,
    SampledFrames,
    Scenes,
    SceneTranscripts,
    ScreenText,
    Segment,
    Sidecars,
    SparseRows,
    Tag,
    Tags,
    TextLine,
    TextVectors,
    Transcript,
    Word,
)
from common.errors import ContractError
from common.index_version import scene_id
from gpu_jobs.stages import align_merge, commit, sidecar_build
from tests.unit.gpu_jobs.stages.examples import VIDEO, frame, frames, scenes

ROOT = Path(__file__).parents[4]
SCHEMA = json.loads((ROOT / "docs" / "sidecar.schema.json").read_text(encoding="utf-8"))
GOLDEN = Path(__file__).with_name("sidecar.golden.json")


class Found:
    """Everything the stages found in a made-up video of two scenes."""

    def __init__(self, *, text_width: int = 1024, image_width: int = 1152) -> None:
        picture = np.zeros((36, 64, 3), dtype=np.uint8)
        self.scene_detect: Scenes = scenes(0, 4_000, end_ms=9_000)
        self.vision_sample_frames: SampledFrames = frames(
            frame(picture, scene=0, time_ms=500, sharpness=12.345),
            frame(picture, scene=0, time_ms=2_500, sharpness=80.0),
            frame(picture, scene=1, time_ms=6_000, sharpness=3.0),
        )
        self.asr_transcribe = Transcript(
            segments=(
                Segment(
                    start_ms=1_000,
                    end_ms=2_000,
                    text="좋은 아침",
                    language="ko",
                    words=(
                        Word(start_ms=1_000, end_ms=1_500, text="좋은"),
                        Word(start_ms=1_500, end_ms=2_000, text="아침"),
                    ),
                ),
                Segment(start_ms=1_100, end_ms=1_900, text="Good morning", language="en"),
            ),
            source="subtitles",
        )
        self.embed_text = TextVectors(
            ordinals=(0,), dense=_unit(1, text_width, seed=1), model="text-model"
        )
        self.vision_embed_frames = FrameVectors(
            vectors=_unit(3, image_width, seed=2), model="image-model"
        )
        self.vision_tags = Tags(
            tags=(Tag(ordinal=0, tag="red", score=0.9), Tag(ordinal=1, tag="day", score=0.61)),
            model="tag-model",
        )
        self.text_read = ScreenText(
            lines=(
                TextLine(
                    scene_ordinal=1,
                    time_ms=6_000,
                    text='Exit "B2" 出口',
                    box=(0.1, 0.2, 0.3, 0.0512),
                    confidence=0.9876,
                ),
            ),
            model="screen-model",
        )
        self.faces_detect = Faces(observations=(), model="", note="profile_has_no_face_model")

    @property
    def align_merge(self) -> SceneTranscripts:
        return align_merge.run(asr_transcribe=self.asr_transcribe, scene_detect=self.scene_detect)

    def sidecars(self) -> Sidecars:
        return sidecar_build.run(
            video=VIDEO, align_merge=self.align_merge, **self._shared(), **self._for_sidecars()
        )

    def rows(self, *, consent: bool = True) -> IndexRows:
        return commit.run(
            video=VIDEO,
            consent=consent,
            align_merge=self.align_merge,
            faces_detect=self.faces_detect,
            sidecar_build=self.sidecars(),
            **self._shared(),
        )

    def _shared(self) -> dict[str, Any]:
        names = (
            "scene_detect",
            "vision_sample_frames",
            "embed_text",
            "vision_embed_frames",
            "vision_tags",
            "text_read",
        )
        return {name: getattr(self, name) for name in names}

    def _for_sidecars(self) -> dict[str, Any]:
        return {"asr_transcribe": self.asr_transcribe, "faces_detect": self.faces_detect}


def _unit(rows: int, width: int, *, seed: int) -> npt.NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def documents(sidecars: Sidecars) -> list[dict[str, Any]]:
    """The sidecars parsed, each held to the published schema."""
    parsed = [json.loads(each.json) for each in sidecars.sidecars]
    for document in parsed:
        jsonschema.validate(
            document, SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
    return parsed


def test_sidecars_keep_to_the_schema() -> None:
    """Both scenes' sidecars are valid, small, and hold what was found in their scene."""
    sidecars = Found().sidecars()
    first, second = documents(sidecars)
    assert max(len(each.json) for each in sidecars.sidecars) <= 50 * 1024
    assert first["video_id"] == str(VIDEO.video_id)
    assert first["scene_id"] == str(scene_id(VIDEO.video_id, 3, VIDEO.index_version, 0))
    assert (first["start_ms"], first["end_ms"]) == (0, 4_000)
    assert [s["text"] for s in first["transcript"]["segments"]] == ["좋은 아침", "Good morning"]
    assert first["transcript"]["languages"] == ["ko", "en"]
    assert first["embeddings"]["text"]["dimensions"] == 1024
    assert [f["time_ms"] for f in first["frames"]] == [500, 2_500]
    assert second["embeddings"]["text"]["vector"] is None
    assert second["on_screen_text"]["lines"][0]["text"] == 'Exit "B2" 出口'
    assert second["faces"]["note"] == "profile_has_no_face_model"


def test_vectors_come_back_from_the_sidecar() -> None:
    """The base64 text is the vectors in 16-bit floats."""
    found = Found()
    first, _ = documents(found.sidecars())
    stored = first["embeddings"]["frames"]["vectors"][1]
    assert stored["time_ms"] == 2_500
    vector = np.frombuffer(base64.b64decode(stored["vector"]), dtype="<f2")
    np.testing.assert_allclose(vector, found.vision_embed_frames.vectors[1], atol=1e-3)


def test_the_form_is_fixed() -> None:
    """The bytes of a known scene are those on file: a change needs a new version."""
    sidecar = Found(text_width=4, image_width=4).sidecars().sidecars[0]
    assert sidecar.json.decode() == GOLDEN.read_text(encoding="utf-8").rstrip("\n")


def test_equal_inputs_give_equal_bytes() -> None:
    """Building twice, also from stored artifacts, gives the same bytes."""
    found, again = Found(), Found()
    again.vision_embed_frames = decode(FrameVectors, encode(again.vision_embed_frames))
    again.vision_tags = decode(Tags, encode(again.vision_tags))
    assert found.sidecars() == again.sidecars()


def test_faces_have_no_names() -> None:
    """A face is a box, a quality and a time: no name, no vector, and no room for either."""
    found = Found()
    face = FaceObservation(
        scene_ordinal=1,
        time_ms=6_000,
        box=(0.4, 0.1, 0.2, 0.3),
        quality=0.8,
        vector=_unit(1, 512, seed=3)[0],
    )
    found.faces_detect = Faces(observations=(face,), model="face-model")
    first, second = documents(found.sidecars())
    assert first["faces"]["observations"] == []
    (observation,) = second["faces"]["observations"]
    assert set(observation) == {"time_ms", "box", "quality"}
    for forbidden in ("name", "vector"):
        observation[forbidden] = "민지"
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(second, SCHEMA)
        del observation[forbidden]
    with_faces, without = found.rows(), found.rows(consent=False)
    assert (with_faces.faces, with_faces.face_model) == ((face,), "face-model")
    assert (without.faces, without.face_model) == ((), "")


def test_a_video_without_vision_is_still_indexed() -> None:
    """Switched off, pictures have no vectors: sidecars and rows say so and keep the rest."""
    found = Found()
    found.vision_embed_frames = FrameVectors(
        vectors=np.zeros((0, 1152), np.float32), model="", note="vision_switched_off"
    )
    first, _ = documents(found.sidecars())
    assert first["embeddings"]["frames"]["vectors"] == []
    assert [each["time_ms"] for each in first["frames"]] == [500, 2_500]
    (row, _) = found.rows().scenes
    assert (row.frame_times_ms, row.frame_vectors.shape) == ((), (0, 1152))
    assert row.best_frame_ms == 2_500


def test_a_flood_of_subtitles_is_cut() -> None:
    """Thousands of cues in one scene still give a valid sidecar of at most 50 KB that says so."""
    found = Found()
    flood = tuple(
        Segment(start_ms=n, end_ms=n + 1, text="가나다 " * 80, language="ko") for n in range(3_000)
    )
    found.asr_transcribe = replace(found.asr_transcribe, segments=flood)
    sidecars = found.sidecars()
    first, _ = documents(sidecars)
    assert len(sidecars.sidecars[0].json) <= 50 * 1024
    assert first["truncated"] is True
    assert 0 < len(first["transcript"]["segments"]) < 3_000


def test_rows_hold_what_search_needs() -> None:
    """A row per scene under the sidecar's id, with terms, vectors, tags and the sharpest frame."""
    found = Found()
    rows = found.rows()
    first, second = rows.scenes
    assert rows.index_version == VIDEO.index_version
    assert rows.duration_ms == 9_000
    assert [row.scene_id for row in rows.scenes] == [
        sidecar.scene_id for sidecar in found.sidecars().sidecars
    ]
    assert first.text_vector is not None
    np.testing.assert_array_equal(first.text_vector, found.embed_text.dense[0])
    assert second.text_vector is None
    np.testing.assert_array_equal(first.frame_vectors, found.vision_embed_frames.vectors[:2])
    assert first.frame_times_ms == (500, 2_500)
    assert (first.best_frame_ms, second.best_frame_ms) == (2_500, 6_000)
    assert [tag.tag for tag in first.tags] == ["red"]
    assert first.languages == ("ko", "en")
    assert second.screen_text == found.text_read.lines


def test_terms_are_counted_by_source() -> None:
    """Each term is there once per source with its count; Korean gives 2-grams."""
    found = Found()
    said = Segment(start_ms=0, end_ms=10, text="Red red RED 아침", language="en")
    found.asr_transcribe = replace(found.asr_transcribe, segments=(said,))
    first, second = found.rows().scenes
    weights = {(term.source, term.term): term.weight for term in first.terms}
    assert weights[("transcript", "red")] == 3.0
    assert weights[("transcript", "아침")] == 1.0
    assert len(weights) == len(first.terms)
    assert {term.source for term in second.terms} == {"screen"}
    assert "b2" in {term.term for term in second.terms}


def _sparse(*rows: dict[int, float]) -> SparseRows:
    tokens = [token for row in rows for token in row]
    weights = [weight for row in rows for weight in row.values()]
    return SparseRows(
        offsets=np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64),
        tokens=np.array(tokens, dtype=np.int64),
        weights=np.array(weights, dtype=np.float32),
    )


def test_learned_weights_are_terms_of_their_scene() -> None:
    """Token ids and weights of a sparse row arrive at its scene, beside the counted terms."""
    found = Found()
    plain = found.rows().scenes
    found.embed_text = TextVectors(
        ordinals=(0, 1),
        dense=_unit(2, 1024, seed=1),
        model="text-model",
        sparse=_sparse({5: 0.5, 900: 1.25}, {6: 0.25}),
    )
    for scene, before, learned in zip(
        found.rows().scenes, plain, ({"5": 0.5, "900": 1.25}, {"6": 0.25}), strict=True
    ):
        terms = [term for term in scene.terms if term.source == "learned"]
        assert {term.term: term.weight for term in terms} == learned
        assert tuple(term for term in scene.terms if term.source != "learned") == before.terms


def test_learned_weights_follow_the_scene_not_the_row() -> None:
    """Where the first scene is silent, the first row is the second scene's."""
    found = Found()
    found.embed_text = replace(found.embed_text, ordinals=(1,), sparse=_sparse({5: 0.5}))
    first, second = found.rows().scenes
    assert "learned" not in {term.source for term in first.terms}
    assert [term.term for term in second.terms if term.source == "learned"] == ["5"]


def test_only_the_heaviest_learned_weights_are_kept() -> None:
    """Of 300 tokens the 256 that weigh most are; of equals those with the lower ids."""
    found = Found()
    row = {token: 1.0 if token % 2 else 2.0 for token in range(300)}
    found.embed_text = replace(found.embed_text, sparse=_sparse(row))
    kept = {int(t.term) for t in found.rows().scenes[0].terms if t.source == "learned"}
    assert kept == set(range(0, 300, 2)) | set(range(1, 2 * (256 - 150), 2))


def test_sidecars_are_the_same_with_learned_weights() -> None:
    """Weights of tokens are of use to the index alone."""
    found = Found()
    plain = found.sidecars()
    found.embed_text = replace(found.embed_text, sparse=_sparse({5: 0.5}))
    assert found.sidecars() == plain


def test_a_scene_without_frames_shows_its_start() -> None:
    """Where no frame could be sampled the scene's start is shown, and there are no vectors."""
    found = Found()
    found.vision_sample_frames = frames()
    found.vision_embed_frames = replace(
        found.vision_embed_frames, vectors=np.zeros((0, 1152), dtype=np.float32)
    )
    first, second = found.rows().scenes
    assert (first.best_frame_ms, second.best_frame_ms) == (0, 4_000)
    assert first.frame_vectors.shape == (0, 1152)
    documents(found.sidecars())


def _lose_a_vector(found: Found) -> None:
    vectors = found.vision_embed_frames.vectors[:-1]
    found.vision_embed_frames = replace(found.vision_embed_frames, vectors=vectors)


def _lose_a_text_vector(found: Found) -> None:
    found.embed_text = replace(found.embed_text, dense=found.embed_text.dense[:0])


def _lose_a_sparse_row(found: Found) -> None:
    found.embed_text = replace(found.embed_text, sparse=_sparse())


@pytest.mark.parametrize("damage", [_lose_a_vector, _lose_a_text_vector, _lose_a_sparse_row])
def test_stages_that_disagree_are_a_contract_error(damage: Callable[[Found], None]) -> None:
    """Artifacts that do not fit together are refused, never silently paired wrong."""
    found = Found()
    damage(found)
    with pytest.raises(ContractError, match="artifact_corrupt"):
        found.rows()


def test_rows_survive_the_artifact_codec() -> None:
    """The stages' results can be stored and read back: the runner resumes from them."""
    rows = Found().rows()
    assert decode(IndexRows, encode(rows)).scenes[0].terms == rows.scenes[0].terms
    sidecars = Found().sidecars()
    assert decode(Sidecars, encode(sidecars)) == sidecars
