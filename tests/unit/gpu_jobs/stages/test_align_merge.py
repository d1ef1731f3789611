"""Segments find their scenes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain import Segment, Transcript
from gpu_jobs.stages import align_merge
from tests.unit.gpu_jobs.stages.examples import scenes, segment


def homes(*segments: Segment) -> list[int]:
    """The scene of each segment, where scenes start at 0, 10 and 20 s of 30 s."""
    merged = align_merge.run(
        asr_transcribe=Transcript(segments=segments, source="subtitles"),
        scene_detect=scenes(0, 10_000, 20_000, end_ms=30_000),
    )
    return [scene.ordinal for each in segments for scene in merged.scenes if each in scene.segments]


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected"),
    [
        (0, 5_000, 0),
        (9_000, 10_500, 0),
        (9_500, 11_000, 1),
        (9_000, 11_000, 0),  # equal halves: the earlier
        (5_000, 29_000, 1),  # all of the second, part of the others
        (10_000, 10_001, 1),
        (29_999, 40_000, 2),
        (50_000, 60_000, 2),  # beyond the end
    ],
)
def test_the_largest_overlap_wins(start_ms: int, end_ms: int, expected: int) -> None:
    """A segment belongs to the scene that it overlaps most."""
    assert homes(segment(start_ms, end_ms)) == [expected]


SPANS = st.tuples(st.integers(0, 40_000), st.integers(1, 20_000))


@given(
    st.lists(SPANS),
    st.lists(st.integers(1, 29_999), unique=True).map(sorted),
)
def test_every_segment_is_in_exactly_one_scene(
    spans: list[tuple[int, int]], cuts: list[int]
) -> None:
    """No segment is lost or doubled, whatever the cuts; scenes keep their ordinals."""
    segments = [segment(a, a + length, f"line {n}") for n, (a, length) in enumerate(spans)]
    detected = scenes(0, *cuts, end_ms=30_000)
    merged = align_merge.run(
        asr_transcribe=Transcript(segments=tuple(segments), source=""), scene_detect=detected
    )
    found = Counter(each.text for scene in merged.scenes for each in scene.segments)
    assert found == Counter(each.text for each in segments)
    assert [scene.ordinal for scene in merged.scenes] == list(range(len(cuts) + 1))


@given(st.permutations([segment(n * 700, n * 700 + 900, f"line {n}") for n in range(8)]))
def test_order_of_segments_does_not_matter(segments: list[Segment]) -> None:
    """The same segments in any order give the same scenes."""
    detected = scenes(0, 2_000, end_ms=8_000)

    def merge(each: list[Segment]) -> object:
        transcript = Transcript(segments=tuple(each), source="")
        return align_merge.run(asr_transcribe=transcript, scene_detect=detected)

    assert merge(segments) == merge(sorted(segments, key=lambda s: s.start_ms))


def test_the_most_spoken_language_comes_first() -> None:
    """Languages are ordered by speaking time, and unknown ones are left out."""
    said = (
        segment(0, 1_000, "hi", "en"),
        segment(1_000, 4_000, "안녕", "ko"),
        segment(4_000, 9_000, "♪", ""),
    )
    merged = align_merge.run(
        asr_transcribe=Transcript(segments=said, source=""), scene_detect=scenes(0, end_ms=9_000)
    )
    assert merged.scenes[0].languages == ("ko", "en")


def test_a_video_without_speech_has_empty_transcripts() -> None:
    """Every scene has a transcript, if an empty one."""
    merged = align_merge.run(
        asr_transcribe=Transcript(segments=(), source=""),
        scene_detect=scenes(0, 5_000, end_ms=9_000),
    )
    assert [(scene.text, scene.languages) for scene in merged.scenes] == [("", ()), ("", ())]
