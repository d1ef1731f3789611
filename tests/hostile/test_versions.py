"""Which FFmpegs are really installed, and that only one of them ever opens an upload.

The known holes in them, and what contains each, are listed in docs/hostile-media.md.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import av
import cv2
import pytest

from gpu_jobs.media import source
from gpu_jobs.media.sniff import Container
from gpu_jobs.pipeline import PIPELINE

PROJECT: Final = Path(__file__).resolve().parents[2]
#: FFmpeg 8.1.2 in PyAV, which opens uploads; 8.1.1 in OpenCV, which opens nothing.
FLOORS: Final = {
    "libavcodec": (62, 28, 102),
    "libavformat": (62, 12, 102),
    "libavutil": (60, 26, 102),
}
OPENCV_FLOORS: Final = {"avcodec": (62, 28, 101), "avformat": (62, 12, 101)}
#: Distributions that carry an FFmpeg of their own (headless: another build of the same).
BUNDLERS: Final = {"av", "opencv-python", "opencv-python-headless"}
#: Calls that open a media file, each with a reader of its own behind it.
OPENERS: Final = frozenset(
    {
        "VideoCapture",
        "VideoManager",
        "VideoStreamAv",
        "VideoStreamCv2",
        "decode_audio",
        "open_video",
        "imread",
        "imreadmulti",
    }
)
#: Where PyAV may be opened, and on what.
AV_OPENERS: Final = {
    "gpu_jobs/media/source.py",  # the upload, in the child
    "gpu_jobs/media/sound.py",  # writes a FLAC into memory
    "gpu_jobs/media/flac.py",  # reads that FLAC from memory
}


def test_pyav_carries_an_ffmpeg_that_is_new_enough() -> None:
    """The libraries that are loaded, not the recipe, are at or above the floor."""
    version = av.ffmpeg_version_info.lstrip("n").split("-")[0].split(".")
    assert tuple(int(part) for part in version) >= (8, 1, 2)
    for name, floor in FLOORS.items():
        assert av.library_versions[name] >= floor


def test_opencv_carries_an_ffmpeg_that_is_new_enough() -> None:
    """Its build information tells the libraries that are really in it."""
    told = cv2.getBuildInformation()
    for name, floor in OPENCV_FLOORS.items():
        found = re.search(rf"{name}:\s+YES \((\d+)\.(\d+)\.(\d+)\)", told)
        # A build without FFmpeg is better still.
        assert found is None or tuple(map(int, found.groups())) >= floor


def test_no_other_package_carries_an_ffmpeg() -> None:
    """A new dependency with an FFmpeg of its own must not come in unseen."""
    carrying = {
        distribution.metadata["Name"]
        for distribution in importlib.metadata.distributions()
        if any(
            re.search(r"libav(?:codec|format)[-.\w]*\.(?:so|dylib)", str(file))
            for file in distribution.files or ()
        )
    }
    assert carrying <= BUNDLERS


def test_only_one_place_opens_uploads() -> None:
    """OpenCV, PySceneDetect and faster-whisper are handed arrays, never a file to open."""
    opened = {(path, name) for path, name in _calls() if name in OPENERS}
    assert opened == set()
    assert {path for path, name in _calls() if name == "av.open"} == AV_OPENERS


def test_the_gpu_lane_never_sees_an_upload() -> None:
    """What follows the media lane reads artifacts alone."""
    assert {stage.name for stage in PIPELINE.stages if "media" in stage.arguments} == {
        stage.name for stage in PIPELINE.stages if stage.lane == "media"
    }


def test_dangerous_demuxers_and_decoders_are_on_no_list() -> None:
    """HLS and its like, and the decoders with known holes, cannot be chosen."""
    assert {container.value for container in Container} == {"mov", "matroska", "avi"}
    decoders = source.VIDEO_DECODERS | source.AUDIO_DECODERS
    assert not decoders & {"magicyuv", "cfhd", "exr", "vvc", "bink", "prores_raw", "rasc", "png"}


@pytest.mark.parametrize("name", ["ffmpeg", "ffprobe"])
def test_no_program_is_called(name: str) -> None:
    """There is no second FFmpeg on the path that somebody forgot."""
    called = [path for path, text in _texts() if re.search(rf"[\"']{name}[\"']", text)]
    assert called == []


def _texts() -> Iterator[tuple[str, str]]:
    for package in ("common", "functions", "gpu_jobs"):
        for path in sorted((PROJECT / package).rglob("*.py")):
            yield str(path.relative_to(PROJECT)), path.read_text()


@cache
def _calls() -> frozenset[tuple[str, str]]:
    """(file, name) of every call in the production code."""
    names = (
        (path, ast.unparse(node.func))
        for path, text in _texts()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
    )
    return frozenset(
        (path, name if name == "av.open" else name.rpartition(".")[2]) for path, name in names
    )
