"""The library as files."""

from __future__ import annotations

from pathlib import Path

import av

from local.evaluation.drawn_library import make_video
from local.evaluation.labels import videos


def test_a_video_is_the_same_every_time_and_holds_its_lines(tmp_path: Path) -> None:
    """The file is made from the tables alone: its length, its tracks, its text."""
    video = next(video for video in videos() if video.name == "budget-meeting")
    one, other = (make_video(video, tmp_path / name) for name in ("one.mp4", "other.mp4"))
    assert one.read_bytes() == other.read_bytes()
    with av.open(str(one)) as container:
        assert container.duration is not None
        assert abs(container.duration / 1000 - video.duration_ms) < 300
        languages = [stream.metadata["language"] for stream in container.streams.subtitles]
        packets = b"".join(bytes(p) for p in container.demux(container.streams.subtitles))
    assert languages == ["eng", "kor"]
    for line in (*video.lines("en"), *video.lines("ko")):
        assert line.text.encode() in packets


def test_a_video_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    """A second run finds the files."""
    path = tmp_path / "there.mp4"
    path.write_bytes(b"kept")
    assert make_video(videos()[0], path).read_bytes() == b"kept"
