"""The tables of the labelled library."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from local.evaluation.drawing import render
from local.evaluation.labels import (
    KINDS,
    LANGUAGES,
    SPLITS,
    LabelError,
    Moment,
    parse_moment,
    queries,
    read_queries,
    videos,
)


def test_ids_and_texts_are_unique() -> None:
    """An id names one query, and no text is asked twice in a half."""
    assert len({query.id for query in queries()}) == len(queries())
    assert len({(query.split, query.text) for query in queries()}) == len(queries())


def test_no_video_is_in_both_halves() -> None:
    """Rows of a video stand together and have one split."""
    names = [video.name for video in videos()]
    assert len(set(names)) == len(names)


def test_each_half_has_its_videos_and_all_kinds_in_both_languages() -> None:
    """At least 8 videos a half; each kind is asked in each language; 12 or more find nothing."""
    assert min(Counter(video.split for video in videos()).values()) >= 8
    asked = Counter((query.split, query.language, query.kind) for query in queries())
    assert set(asked) == {(s, la, k) for s in SPLITS for la in LANGUAGES for k in KINDS}
    for split in SPLITS:
        assert sum(asked[split, language, "nothing"] for language in LANGUAGES) >= 12


def test_moments_lie_within_videos_of_the_same_half() -> None:
    """No label leads outside its video, or into the other half."""
    by_name = {video.name: video for video in videos()}
    for query in queries():
        for moment in query.moments:
            video = by_name[moment.video]
            assert video.split == query.split, query.id
            assert 0 <= moment.start_ms < moment.end_ms <= video.duration_ms, query.id


def test_only_queries_of_the_kind_nothing_have_no_moment() -> None:
    """A missing label would count as a query that nothing answers."""
    for query in queries():
        assert bool(query.moments) == (query.kind != "nothing"), query.id


def test_speech_labels_are_spans_of_lines() -> None:
    """What is said is labelled from the first to the last moment of a line."""
    spans = {
        Moment(video=video.name, start_ms=line.start_ms, end_ms=line.end_ms)
        for video in videos()
        for language in LANGUAGES
        for line in video.lines(language)
    }
    spoken = [q for q in queries() if q.kind in ("speech-exact", "speech-paraphrase", "phrase")]
    assert spoken
    for query in spoken:
        assert set(query.moments) <= spans, query.id


def test_korean_queries_hold_hangul_and_english_ones_do_not() -> None:
    """The language column is what results are split by."""
    for query in queries():
        assert any("가" <= c <= "힣" for c in query.text) == (query.language == "ko") or (
            query.kind == "on-screen text"
        ), query.id


def test_every_picture_can_be_drawn() -> None:
    """No row asks for a setting, colour or shape that there is not."""
    for video in videos():
        for shot in video.shots:
            assert render(shot.picture, shot.screen).std() > 0


def test_lines_follow_each_other_within_their_video() -> None:
    """Lines do not overlap, so a label is one line's."""
    for video in videos():
        for language in LANGUAGES:
            end_ms = 0
            for line in video.lines(language):
                assert end_ms < line.start_ms < line.end_ms <= video.duration_ms
                end_ms = line.end_ms


def test_a_moment_is_read_in_seconds() -> None:
    """`video@12.5-17` is what a person reads off a player."""
    assert parse_moment(" lake@12.5-17") == Moment(video="lake", start_ms=12_500, end_ms=17_000)
    with pytest.raises(ValueError, match="could not convert"):
        parse_moment("lake")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a\tdev\ten\tcolour\tred\tlake@5", "line 3"),
        ("a\tlater\ten\tcolour\tred\tlake@0-5", "'later' is none of dev, test"),
        ("a\tdev\ten", "line 3"),
        ("one\tdev\ten\tcolour\tred\tlake@0-5", "twice"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, row: str, message: str) -> None:
    """Who writes labels of their own is told which line to mend."""
    table = tmp_path / "mine.tsv"
    head = "id\tsplit\tlanguage\tkind\ttext\tmoments"
    table.write_text(f"{head}\none\tdev\ten\tcolour\tblue\tlake@0-5\n{row}\n")
    with pytest.raises(LabelError, match=message):
        read_queries(table)
