"""Scenes' transcripts to vectors."""

from __future__ import annotations

import numpy as np

from common.domain import SceneTranscript, SceneTranscripts, Segment
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
