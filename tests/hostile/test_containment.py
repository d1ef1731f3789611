"""What holds when the first fence does not: forced demuxers, and then the child's own limits."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Final

import av
import pytest

from common.domain import Cue, Media, MediaLimits
from common.errors import InputError
from gpu_jobs import sandbox
from gpu_jobs.media import source
from gpu_jobs.media.sniff import Container
from tests.hostile.case import CANARY, Case, Place
from tests.hostile.table import CASES
from tests.media import SubtitleSpec, write_clip
from tests.unit.gpu_jobs.test_sandbox import children, has_landlock

#: Everything that makes a player open something else: HLS (CVE-2026-107695, -107697) and the like.
REFERRING: Final = [case for case in CASES if case.number in (*range(15, 25), 30, 113, 114, 115)]
#: FFmpeg by itself would follow these.
FOLLOWED: Final = [case for case in REFERRING if case.number in (15, 17, 19, 20, 21, 24)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with a canary in it."""
    cues = SubtitleSpec(language="eng", codec="subrip", cues=((0, 900, CANARY),))
    write_clip(tmp_path / "canary.mkv", shots_ms=(300,), subtitles=(cues,))
    return Place(
        path=tmp_path / "video0.mp4",
        canary=tmp_path / "canary.mkv",
        secret=tmp_path / "canary.txt",
        honeypot="127.0.0.1:9",
    )


@pytest.mark.parametrize("container", Container)
@pytest.mark.parametrize("case", REFERRING, ids=lambda case: case.id)
def test_no_forced_demuxer_reads_a_playlist(place: Place, case: Case, container: Container) -> None:
    """Were a playlist taken for a video, its demuxer still would not be FFmpeg's choice."""
    case.make(place)
    with (
        pytest.raises(av.error.FFmpegError),
        source.open_media(place.path, container, MediaLimits()),
    ):
        pytest.fail("opened")


@pytest.mark.parametrize("name", ["hls", "concat", "dash", "sdp", "image2", "lavfi", "mpegts"])
def test_the_allow_list_keeps_a_demuxer_out(place: Place, name: str) -> None:
    """Not even asking for another demuxer by name opens it under our allow-list."""
    case = next(case for case in CASES if case.name == "hls file")
    case.make(place)
    with pytest.raises((av.error.FFmpegError, ValueError)):
        av.open(
            str(place.path), format=name, options={"format_whitelist": Container.MP4.value}
        ).close()


@pytest.mark.skipif(sys.platform != "linux", reason="the child is confined by Linux")
@pytest.mark.skipif(not has_landlock(), reason="the kernel has no Landlock")
@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: case.id)
def test_a_child_that_follows_a_playlist_gets_nowhere(place: Place, case: Case) -> None:
    """With no fence left but the child's limits, nothing is read, nobody called, time bounded."""
    before = children()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        case.make(
            Place(
                path=place.path,
                canary=place.canary,
                secret=place.secret,
                honeypot=f"127.0.0.1:{server.getsockname()[1]}",
            )
        )
        media = Media(
            path=place.path,
            size_bytes=1,
            content_type="",
            limits=MediaLimits(wall_budget_s=3.0),
        )
        with pytest.raises(InputError) as raised:
            sandbox.call(
                "tests.unit.gpu_jobs.hostile_stages:open_unguarded",
                media=media,
                inputs={},
                result=Cue,
            )
        assert raised.value.code in ("decode_crashed", "decode_budget_exceeded")
        with pytest.raises(BlockingIOError):
            server.accept()
    assert children() <= before
