"""Scenes' transcripts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from common.artifacts import decode, encode
from common.domain import (
    SceneTranscript,
    SceneTranscripts,
    Segment,
    SparseRows,
    TextVectors,
)
from gpu_jobs.models import Models
from gpu_jobs.models.bge_m3 import Embedded
from gpu_jobs.stages import embed_text
from tests.unit.gpu_jobs.stages.examples import models, segment


def transcripts(*scenes: tuple[Segment, ...]) -> SceneTranscripts:
    """A transcript per scene."""
    return SceneTranscripts(
        scenes=tuple(
            SceneTranscript(ordinal=n, segments=said, languages=()) for n, said in enumerate(scenes)
        )
    )


def test_only_scenes_with_known_text_have_vectors() -> None:
    """Silent scenes and those with Korean alone are absent: the lexical leg answers for them."""
    english = segment(0, 1, "The train leaves at nine.")
    korean = segment(0, 1, "기차는 아홉 시에 떠나요.", "ko")
    result = embed_text.run(
        align_merge=transcripts((english,), (), (korean,), (korean, english)), models=models()
    )
    assert result.ordinals == (0, 3)
    assert result.dense.shape == (2, 1024)
    assert result.model == "all-MiniLM-L6-v2"


def test_korean_lines_do_not_disturb_english_ones() -> None:
    """English subtitles have the same vector with and without Korean ones beside them."""
    english = (segment(0, 1, "The train leaves at nine."), segment(1, 2, "Hurry up!"))
    korean = segment(0, 1, "기차는 아홉 시에 떠나요.", "ko")
    result = embed_text.run(
        align_merge=transcripts(english, (english[0], korean, english[1])), models=models()
    )
    np.testing.assert_allclose(result.dense[0], result.dense[1], atol=1e-6)


def test_a_silent_video_has_no_vectors() -> None:
    """No text gives no rows, in the right shape."""
    result = embed_text.run(align_merge=transcripts((), ()), models=models())
    assert result.ordinals == ()
    assert result.dense.shape == (0, 1024)


class Lengths:
    """A text model whose one token weighs as much as the text is long."""

    name = "lengths"

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self.encode_both(texts).dense

    def encode_both(self, texts: Sequence[str]) -> Embedded:
        dense = np.zeros((len(texts), 1024), dtype=np.float32)
        dense[:, 0] = 1
        sparse = SparseRows(
            offsets=np.arange(len(texts) + 1, dtype=np.int64),
            tokens=np.full(len(texts), 7, dtype=np.int64),
            weights=np.array([len(text) for text in texts], dtype=np.float32),
        )
        return Embedded(dense=dense, sparse=sparse)

    def abstains(self, text: str) -> bool:
        return False


@dataclass(frozen=True)
class OnlyText:
    text: Lengths


def test_learned_weights_are_kept_where_the_model_gives_them() -> None:
    """Sparse rows stand beside the dense ones, in scene order, and survive the artifact."""
    only = cast(Models, OnlyText(text=Lengths()))
    said = (segment(0, 1, "한국어"),), (), (segment(1, 2, "hello"), segment(2, 3, "again"))
    result = embed_text.run(align_merge=transcripts(*said), models=only)
    assert (result.ordinals, result.model) == ((0, 2), "lengths")
    stored = decode(TextVectors, encode(result)).sparse
    assert stored is not None
    assert stored.offsets.tolist() == [0, 1, 2]
    assert stored.tokens.tolist() == [7, 7]
    assert stored.weights.tolist() == [3, 11]


def test_a_dense_model_gives_no_learned_weights() -> None:
    """The offline profile's artifact says that there are none."""
    result = embed_text.run(align_merge=transcripts((segment(0, 1, "Hello."),)), models=models())
    assert result.sparse is None
    assert decode(TextVectors, encode(result)).sparse is None
