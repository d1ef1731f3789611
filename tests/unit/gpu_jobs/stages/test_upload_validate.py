"""Stage `upload_validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from common.domain import Media, MediaLimits, Probe, SubtitleStream
from common.errors import InputError
from gpu_jobs.media import source
from gpu_jobs.media.sniff import Container
from gpu_jobs.stages import upload_validate
from tests.media import SubtitleSpec, write_clip

CUES = ((200, 900, "hello"),)


def media(path: Path, *, content_type: str = "", **limits: Any) -> Media:
    """An upload with lowered limits."""
    return Media(
        path=path,
        size_bytes=path.stat().st_size,
        content_type=content_type,
        limits=MediaLimits(**limits),
    )


def code(subject: Media) -> str:
    """The code that a file is refused with."""
    with pytest.raises(InputError) as raised:
        upload_validate.run(subject)
    return raised.value.code


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of MP4 with its index at the end."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, shots_ms=(1000, 1000))
    return path


@pytest.fixture(scope="module")
def faststart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of MP4 with its index at the start."""
    path = tmp_path_factory.mktemp("clip") / "fast.mp4"
    write_clip(path, shots_ms=(2000, 2000), container_options=(("movflags", "faststart"),))
    return path


@pytest.mark.parametrize(
    ("name", "container", "video", "audio"),
    [
        ("a.mp4", "mp4", "h264", "aac"),
        ("a.mov", "mp4", "h264", "aac"),
        ("a.3gp", "mp4", "h264", "aac"),
        ("a.mkv", "matroska", "h264", "opus"),
        ("a.webm", "matroska", "vp8", "opus"),
        ("a.avi", "avi", "mpeg4", "pcm_s16le"),
    ],
)
def test_every_container_is_described(
    tmp_path: Path, name: str, container: str, video: str, audio: str
) -> None:
    """Codecs, size, rate and duration are found in each accepted container."""
    path = tmp_path / name
    write_clip(path, shots_ms=(1000, 1000))
    probe = upload_validate.run(media(path))
    assert (probe.container, probe.video.codec) == (container, video)
    assert probe.audio is not None
    assert (probe.audio.codec, probe.audio.channels) == (audio, 2)
    assert (probe.video.width_px, probe.video.height_px) == (320, 180)
    assert probe.video.frames_per_second == pytest.approx(30, rel=0.03)
    assert probe.duration_ms == pytest.approx(2000, abs=60)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name"),
    [
        ("libx265", "yuv420p10le", "hevc"),
        ("libvpx-vp9", "yuv420p", "vp9"),
        ("libsvtav1", "yuv420p", "av1"),
        ("mjpeg", "yuvj420p", "mjpeg"),
        ("prores", "yuv422p10le", "prores"),
    ],
)
def test_other_codecs_are_accepted(
    tmp_path: Path, codec: str, pixel_format: str, name: str
) -> None:
    """HEVC with 10 bits, VP9, AV1, Motion JPEG and ProRes can be decoded under the allow-list."""
    path = tmp_path / "a.mkv"
    options = (("x265-params", "log-level=none"),) if codec == "libx265" else ()
    write_clip(path, shots_ms=(300,), video_codec=codec, pixel_format=pixel_format, options=options)
    assert upload_validate.run(media(path)).video.codec == name


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_rotation_is_read(tmp_path: Path, rotation_deg: int) -> None:
    """The clockwise rotation of a phone video is reported, and the size as shown."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(300,), rotation_deg=rotation_deg)
    video = upload_validate.run(media(path)).video
    shown = (180, 320) if rotation_deg in (90, 270) else (320, 180)
    assert (video.rotation_deg, video.width_px, video.height_px) == (rotation_deg, *shown)


def test_subtitle_tracks_are_listed(tmp_path: Path) -> None:
    """Text tracks are listed with their BCP 47 language."""
    path = tmp_path / "a.mkv"
    tracks = tuple(
        SubtitleSpec(language=language, codec=codec, cues=CUES)
        for language, codec in (("eng", "subrip"), ("kor", "webvtt"))
    )
    write_clip(path, shots_ms=(1000,), subtitles=tracks)
    assert upload_validate.run(media(path)).subtitles == (
        SubtitleStream(index=2, codec="subrip", language="en"),
        SubtitleStream(index=3, codec="webvtt", language="ko"),
    )


@pytest.mark.parametrize("frames", [1, 9])
def test_very_short_videos_are_accepted(tmp_path: Path, frames: int) -> None:
    """One frame, and 0.3 s, are videos."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(frames * 1000 // 30 + 1,), audio_codec="none")
    assert upload_validate.run(media(path)).duration_ms == pytest.approx(frames * 1000 / 30, abs=2)


def test_no_sound_is_fine(tmp_path: Path) -> None:
    """A silent video has no audio stream."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(300,), audio_codec="none")
    assert upload_validate.run(media(path)).audio is None


def test_a_declared_type_of_another_family_is_refused(clip: Path) -> None:
    """MP4 may be called QuickTime but not WebM."""
    assert isinstance(upload_validate.run(media(clip, content_type="video/quicktime")), Probe)
    assert code(media(clip, content_type="video/webm")) == "type_mismatch"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_duration_ms": 1000}, "duration_too_long"),
        ({"max_pixels": 320 * 180 - 1}, "frame_too_large"),
        ({"max_streams": 1}, "too_many_streams"),
        ({"max_frames_per_second": 25}, "too_many_frames"),
    ],
)
def test_limits_hold(clip: Path, limits: dict[str, Any], expected: str) -> None:
    """A file beyond one limit ends with that limit's code."""
    assert code(media(clip, **limits)) == expected


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_seventeen_tracks_are_too_many(tmp_path: Path, suffix: str) -> None:
    """The default limit is 16 tracks, in every container."""
    path = tmp_path / f"a.{suffix}"
    write_clip(path, shots_ms=(200,), audio_tracks=15)
    assert isinstance(upload_validate.run(media(path)), Probe)
    write_clip(path, shots_ms=(200,), audio_tracks=16)
    assert code(media(path)) == "too_many_streams"


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99])
def test_a_cut_off_file_is_truncated(clip: Path, tmp_path: Path, share: float) -> None:
    """An MP4 whose index is missing at the end is truncated wherever it is cut."""
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * share)])
    assert code(media(path)) == "truncated"


@pytest.mark.parametrize("name", ["fast.mp4", "a.mkv", "a.avi"])
def test_half_a_file_with_its_index_is_truncated(tmp_path: Path, name: str) -> None:
    """Where the declared duration is known, too few packets give the file away."""
    path = tmp_path / name
    write_clip(path, shots_ms=(2000, 2000), container_options=(("movflags", "faststart"),))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert code(media(path)) == "truncated"


def test_a_missing_packet_at_the_end_is_forgiven(faststart: Path, tmp_path: Path) -> None:
    """A file that lacks its last hundredth is still a video."""
    path = tmp_path / "nearly.mp4"
    path.write_bytes(faststart.read_bytes()[:-600])
    assert upload_validate.run(media(path)).duration_ms > 3800


def test_an_encrypted_file_is_named(tmp_path: Path) -> None:
    """Common encryption, as DRM uses it, is recognised."""
    path = tmp_path / "a.mp4"
    scheme = (
        ("encryption_scheme", "cenc-aes-ctr"),
        ("encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"),
        ("encryption_kid", "a7e61c373e219033c21091fa607bf3b8"),
    )
    write_clip(path, shots_ms=(300,), container_options=scheme)
    assert code(media(path)) == "encrypted"


def test_a_codec_off_the_list_is_refused(tmp_path: Path) -> None:
    """A decoder that is not on the list is never opened."""
    path = tmp_path / "a.avi"
    write_clip(path, shots_ms=(200,), video_codec="magicyuv", pixel_format="yuv444p")
    assert code(media(path)) == "codec_not_allowed"


def test_sound_alone_has_no_video_stream(tmp_path: Path) -> None:
    """An MP4 that holds only sound is no video."""
    path = tmp_path / "a.mp4"
    write_sound(path)
    assert code(media(path)) == "no_video_stream"


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    """A song with cover art is no video either."""
    path = tmp_path / "a.mp4"
    write_sound(path, cover=True)
    assert code(media(path)) == "no_video_stream"


def test_an_mp3_renamed_is_refused(tmp_path: Path) -> None:
    """A song named .mp4 has no video stream, whatever its name."""
    path = tmp_path / "song.mp4"
    write_sound(path, container="mp3", codec="libmp3lame")
    assert code(media(path)) == "no_video_stream"


def test_a_script_never_reaches_its_sibling(tmp_path: Path) -> None:
    """A concat script named .mp4 is refused, and the forced demuxer would not follow it."""
    write_clip(tmp_path / "canary.mkv", shots_ms=(200,), audio_codec="none")
    script = tmp_path / "script.mp4"
    script.write_text("ffconcat version 1.0\nfile canary.mkv\n")
    assert code(media(script)) == "external_reference"
    for container in Container:
        with (
            pytest.raises(av.error.FFmpegError),
            source.open_media(script, container, MediaLimits()),
        ):
            pytest.fail("opened")


def test_the_linked_ffmpeg_is_new_enough() -> None:
    """8.1.2 fixes the decoder of CVE-2026-8461; an older library must not be linked."""
    version = av.ffmpeg_version_info.lstrip("n").split("-")[0].split(".")
    assert tuple(int(part) for part in version) >= (8, 1, 2)


def write_sound(
    path: Path, *, container: str = "mp4", codec: str = "aac", cover: bool = False
) -> None:
    """A moment of silence, perhaps with a cover picture."""
    with av.open(str(path), "w", format=container) as output:
        sound: Any = output.add_stream(codec, rate=44_100, layout="mono")
        picture: Any = None
        if cover:
            picture = output.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        silence = np.zeros((1, 4096), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 44_100, 0
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
        if picture is not None:
            output.mux(picture.encode(av.VideoFrame(64, 64, "yuvj420p")))
            output.mux(picture.encode(None))
