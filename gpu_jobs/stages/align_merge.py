"""Stage `align_merge`: which scene each segment belongs to."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from common.domain import Scene, Scenes, SceneTranscript, SceneTranscripts, Segment, Transcript


def run(*, asr_transcribe: Transcript, scene_detect: Scenes) -> SceneTranscripts:
    """Give every segment to one scene.

    Args:
        asr_transcribe: segments of all languages.
        scene_detect: scenes that cover the video, ordered by time.

    Returns:
        A transcript per scene. A segment is in the scene it overlaps most, the earlier of equals;
        one beyond the video's end is in the last scene. Order within a scene is by start.
    """
    scenes = scene_detect.scenes
    starts_ms = [scene.start_ms for scene in scenes]
    said: list[list[Segment]] = [[] for _ in scenes]
    for segment in asr_transcribe.segments if scenes else ():
        said[_home(segment, scenes, starts_ms)].append(segment)
    return SceneTranscripts(
        scenes=tuple(
            _transcript(scene.ordinal, segments)
            for scene, segments in zip(scenes, said, strict=True)
        )
    )


def _home(segment: Segment, scenes: Sequence[Scene], starts_ms: Sequence[int]) -> int:
    first = max(bisect_right(starts_ms, segment.start_ms) - 1, 0)
    last = max(bisect_right(starts_ms, segment.end_ms - 1) - 1, first)
    # max() keeps the first of equals.
    return max(range(first, last + 1), key=lambda place: _overlap_ms(segment, scenes[place]))


def _overlap_ms(segment: Segment, scene: Scene) -> int:
    start_ms, end_ms = max(segment.start_ms, scene.start_ms), min(segment.end_ms, scene.end_ms)
    return max(end_ms - start_ms, 0)


def _transcript(ordinal: int, segments: Sequence[Segment]) -> SceneTranscript:
    ordered = sorted(segments, key=lambda s: (s.start_ms, s.end_ms, s.language, s.text))
    spoken_ms: Counter[str] = Counter()
    for segment in ordered:
        spoken_ms[segment.language] += segment.end_ms - segment.start_ms
    del spoken_ms[""]
    languages = sorted(spoken_ms, key=lambda language: (-spoken_ms[language], language))
    return SceneTranscript(ordinal=ordinal, segments=tuple(ordered), languages=tuple(languages))
