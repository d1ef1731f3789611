"""The generated sample video."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from local.sample.script import KNOWN_MOMENTS, SHOTS, span_ms
from local.sample.video import make_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoded sample."""
    return make_sample(tmp_path_factory.mktemp("sample") / "sample.mp4")


def test_it_has_picture_sound_and_two_subtitle_tracks(sample: Path) -> None:
    """What the demo needs is in the container: H.264, AAC, English and Korean."""
    with av.open(str(sample)) as container:
        assert [stream.codec_context.name for stream in container.streams.video] == ["h264"]
        assert [stream.codec_context.name for stream in container.streams.audio] == ["aac"]
        assert [stream.language for stream in container.streams.subtitles] == ["eng", "kor"]


def test_its_duration_is_that_of_the_script(sample: Path) -> None:
    """Nothing is lost at the end."""
    with av.open(str(sample)) as container:
        assert container.duration is not None
        assert container.duration / 1000 == pytest.approx(span_ms(len(SHOTS) - 1)[1], abs=50)


def test_the_script_has_enough_scenes_and_a_long_take() -> None:
    """Eight hard cuts and one take longer than any scene may be."""
    assert len(SHOTS) >= 9
    assert max(shot.duration_ms for shot in SHOTS) > 12_000


def test_no_query_is_answered_by_its_own_words() -> None:
    """The speech and colour queries share no content word with what is said in their shot."""
    for moment in KNOWN_MOMENTS:
        if moment.kind not in ("speech", "colour and light") or moment.shot is None:
            continue
        said = set(SHOTS[moment.shot].english.lower().strip(".").replace(",", "").split())
        common_words = {"it", "is", "so", "and", "my", "a", "at", "the"}
        assert not (set(moment.query.split()) - common_words) & said
