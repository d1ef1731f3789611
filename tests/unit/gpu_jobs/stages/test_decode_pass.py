"""Stages `audio_extract`, `scene_detect` and `vision_sample_frames`: the one decode."""

from __future__ import annotations

import io
import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scenedetect import AdaptiveDetector, detect

from common import artifacts
from common.domain import Cue, CueTrack, DecodePass, Frame, Media, SubtitleFile
from common.errors import InputError
from gpu_jobs.stages import decode_pass, upload_validate
from tests.media import ClipSpec, SubtitleSpec, paint, subtitle_text, write_clip


def decode(path: Path, *, subtitles: tuple[SubtitleFile, ...] = ()) -> DecodePass:
    """Both stages of the media lane, in this process."""
    media = Media(path=path, size_bytes=path.stat().st_size, content_type="", subtitles=subtitles)
    probe = upload_validate.run(media)
    return decode_pass.run(media, upload_validate=probe, progress=lambda _: None)


def starts(result: DecodePass) -> list[int]:
    """Where the scenes begin, in ms."""
    return [scene.start_ms for scene in result.scene_detect.scenes]


def picture(frame: Frame) -> npt.NDArray[np.uint8]:
    """A sampled picture as RGB."""
    decoded = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[..., ::-1], np.uint8)


def sound(result: DecodePass) -> npt.NDArray[np.int16]:
    """The samples of the FLAC."""
    with av.open(io.BytesIO(result.audio_extract.flac), "r") as opened:
        parts = [frame.to_ndarray().reshape(-1) for frame in opened.decode(audio=0)]
    return np.concatenate(parts)


def assert_sound(result: DecodePass) -> None:
    """What holds for every result: scenes cover the video, each has a picture inside it."""
    scenes, frames = result.scene_detect.scenes, result.vision_sample_frames.frames
    assert [scene.ordinal for scene in scenes] == list(range(len(scenes)))
    assert scenes[0].start_ms == 0
    assert scenes[-1].end_ms == result.scene_detect.duration_ms
    assert all(one.end_ms == other.start_ms for one, other in pairwise(scenes))
    assert {frame.scene_ordinal for frame in frames} == {scene.ordinal for scene in scenes}
    assert all(one.time_ms < other.time_ms for one, other in pairwise(frames))
    for frame in frames:
        scene = scenes[frame.scene_ordinal]
        assert scene.start_ms <= frame.time_ms < scene.end_ms
        assert picture(frame).shape == (frame.height_px, frame.width_px, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.3gp"])
def test_cuts_are_exact_in_every_container(tmp_path: Path, name: str) -> None:
    """Every hard cut is found at its exact time."""
    path = tmp_path / name
    spec = write_clip(path, shots_ms=(1500, 1000, 2000, 700, 1300))
    result = decode(path)
    assert_sound(result)
    assert starts(result) == pytest.approx([0, *spec.cuts_ms], abs=1)


def test_cuts_are_exact_with_a_variable_frame_rate(tmp_path: Path) -> None:
    """Times are presentation times: a rate that changes at each cut shifts nothing."""
    path = tmp_path / "a.mp4"
    times = (*range(0, 2000, 41), *range(2000, 3500, 17), *range(3500, 6000, 67))
    write_clip(path, shots_ms=(2000, 1500, 2500), times_ms=times, audio_codec="none")
    result = decode(path)
    assert_sound(result)
    assert starts(result) == [0, 2000, 3500]
    assert {frame.time_ms for frame in result.vision_sample_frames.frames} <= set(times)


def test_times_count_from_the_start_of_the_media(tmp_path: Path) -> None:
    """A file whose timestamps begin at 5 s begins at 0, as in a player."""
    path = tmp_path / "a.mkv"
    times = tuple(range(5000, 9000, 40))
    write_clip(path, shots_ms=(7000, 2000), times_ms=times, audio_codec="none")
    result = decode(path)
    assert_sound(result)
    assert starts(result) == [0, 2000]
    assert result.scene_detect.duration_ms == pytest.approx(4000, abs=10)


def test_reordered_frames_keep_their_times(tmp_path: Path) -> None:
    """B-frames and open GOPs, as the web has them, shift no cut."""
    path = tmp_path / "a.mp4"
    options = (("preset", "fast"), ("bf", "4"), ("g", "250"), ("x264-params", "open-gop=1"))
    write_clip(path, shots_ms=(1500, 1700, 1100), options=options, audio_codec="none")
    assert starts(decode(path)) == [0, 1500, 3200]


def test_dimensions_may_change_in_mid_stream(tmp_path: Path) -> None:
    """A stream that changes its size is read to its end."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_mux_stream("mjpeg", width=320, height=180)
        stream.time_base = Fraction(1, 1000)
        for index in range(60):
            size = (320, 180) if index < 30 else (160, 240)
            drawn = paint(ClipSpec(shots_ms=(1200, 1200), width_px=size[0], height_px=size[1]), 0)
            _, jpeg = cv2.imencode(".jpg", drawn)
            packet = av.Packet(jpeg.tobytes())
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = index * 40
            packet.is_keyframe = True
            output.mux(packet)
    result = decode(path)
    assert_sound(result)
    assert result.scene_detect.duration_ms == pytest.approx(2400, abs=45)


def test_cuts_are_those_of_pyscenedetect(tmp_path: Path) -> None:
    """Thumbnails from strided planes give the same cuts as PySceneDetect's own reading."""
    path = tmp_path / "a.mp4"
    lengths = tuple(random.Random(5).randrange(600, 2500, 100) for _ in range(12))
    write_clip(path, shots_ms=lengths, audio_codec="none", width_px=640, height_px=360)
    theirs = [round(start.seconds * 1000) for start, _ in detect(str(path), AdaptiveDetector())]
    assert starts(decode(path)) == theirs


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv422p"),
        ("libx264", "yuv444p"),
        ("libx264", "yuvj420p"),
        ("libx264", "yuv420p10le"),
        ("libx264", "gray"),
        ("ffv1", "bgr0"),
        ("ffv1", "yuv411p"),
    ],
)
def test_pixel_formats(tmp_path: Path, codec: str, pixel_format: str) -> None:
    """Cuts and pictures are right for planar, high-bit, full-range, grey and packed formats."""
    path = tmp_path / "a.mkv"
    spec = write_clip(path, shots_ms=(1000, 1000), video_codec=codec, pixel_format=pixel_format)
    result = decode(path)
    assert starts(result) == pytest.approx([0, 1000], abs=1)
    for frame in result.vision_sample_frames.frames:
        drawn = picture(frame) if pixel_format == "gray" else paint(spec, frame.time_ms)
        assert_alike(picture(frame), drawn)


def assert_alike(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> None:
    """Same picture but for lossy coding."""
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other).mean() < 8


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_rotation_is_applied(tmp_path: Path, rotation_deg: int) -> None:
    """Sampled pictures are turned clockwise as the track header says."""
    path = tmp_path / "a.mp4"
    spec = write_clip(path, shots_ms=(500,), rotation_deg=rotation_deg, audio_codec="none")
    frame = decode(path).vision_sample_frames.frames[0]
    drawn = np.rot90(paint(spec, frame.time_ms), -rotation_deg // 90)
    assert_alike(picture(frame), np.ascontiguousarray(drawn))


def test_one_long_take_is_cut_into_windows(tmp_path: Path) -> None:
    """A single take without a cut is no error: it becomes windows of 8 to 12 s."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(47_000,), fps=6, audio_codec="none")
    result = decode(path)
    assert_sound(result)
    assert len(result.scene_detect.scenes) == 5
    assert all(8_000 <= s.end_ms - s.start_ms <= 12_000 for s in result.scene_detect.scenes)


@pytest.mark.parametrize("frames", [1, 9])
def test_very_short_videos_are_one_scene(tmp_path: Path, frames: int) -> None:
    """One frame, and 0.3 s, give one scene with one picture."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(frames * 1000 // 30 + 1,), audio_codec="none")
    result = decode(path)
    assert_sound(result)
    assert len(result.scene_detect.scenes) == len(result.vision_sample_frames.frames) == 1


def test_a_still_under_long_sound_keeps_its_picture(tmp_path: Path) -> None:
    """Scenes go on to the end of the sound, and each shows the picture that stays."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(1000,), audio_ms=25_000)
    result = decode(path)
    assert_sound(result)
    assert result.scene_detect.duration_ms == pytest.approx(25_000, abs=50)
    assert len(result.scene_detect.scenes) == 3


def test_pictures_are_distinct(tmp_path: Path) -> None:
    """A motionless shot gives one picture, however long it is."""
    path = tmp_path / "a.mp4"
    spec = ClipSpec(shots_ms=(7000,), fps=10, audio_codec="none")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height = spec.width_px, spec.height_px
        for _ in range(70):
            frame = av.VideoFrame.from_ndarray(paint(spec, 0), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert len(decode(path).vision_sample_frames.frames) == 1


def test_the_sharp_picture_is_taken(tmp_path: Path) -> None:
    """Of a shot that is mostly out of focus, the sharp moment is sampled."""
    path = tmp_path / "a.mp4"
    spec = ClipSpec(shots_ms=(900,), fps=30)
    blurred = paint(spec, 0)
    detail = np.random.default_rng(3).integers(-9, 10, blurred.shape)
    sharp = np.clip(blurred + detail, 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30)
        stream.width, stream.height = spec.width_px, spec.height_px
        for index in range(27):
            drawn = sharp if 15 <= index < 24 else blurred
            frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    (sampled,) = decode(path).vision_sample_frames.frames
    assert 500 <= sampled.time_ms < 800


def test_large_pictures_are_scaled_down(tmp_path: Path) -> None:
    """The longest side of a sampled picture is at most 1280 px."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(200,), width_px=1920, height_px=1080, audio_codec="none")
    frame = decode(path).vision_sample_frames.frames[0]
    assert (frame.width_px, frame.height_px) == (1280, 720)


def test_sound_is_16_khz_mono_from_time_0(tmp_path: Path) -> None:
    """The FLAC holds the tone of the clip at 16 kHz, silent until the track begins."""
    path = tmp_path / "a.mkv"
    write_clip(path, shots_ms=(3000,), audio_start_ms=1000, audio_ms=2000)
    result = decode(path)
    samples = sound(result)
    assert result.audio_extract.sample_rate_hz == 16_000
    assert result.audio_extract.duration_ms == pytest.approx(3000, abs=40)
    assert len(samples) == result.audio_extract.duration_ms * 16
    assert np.abs(samples[:15_000]).max() < 50
    tone = samples[17_000:45_000]
    assert np.abs(np.fft.rfft(tone)).argmax() * 16_000 / len(tone) == pytest.approx(440, abs=2)


def test_no_sound_is_fine(tmp_path: Path) -> None:
    """A silent video has no FLAC and no warning."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(300,), audio_codec="none")
    extract = decode(path).audio_extract
    assert (extract.flac, extract.duration_ms, extract.warnings) == (b"", 0, ())


@pytest.mark.parametrize("codec", ["tta", "wavpack"])
def test_unreadable_sound_is_a_warning(tmp_path: Path, codec: str) -> None:
    """A sound codec off the list leaves the pictures searchable."""
    path = tmp_path / "a.mkv"
    write_clip(path, shots_ms=(1000, 1000), audio_codec=codec)
    result = decode(path)
    assert result.audio_extract.warnings == ("audio_unreadable",)
    assert result.audio_extract.flac == b""
    assert starts(result) == [0, 1000]


CUES = ((200, 900, "민지가 <i>손을</i> 흔든다"), (1200, 1900, "a red car"))
PLAIN = (
    Cue(start_ms=200, end_ms=900, text="민지가 손을 흔든다"),
    Cue(start_ms=1200, end_ms=1900, text="a red car"),
)


@pytest.mark.parametrize(
    ("name", "codecs"),
    [
        ("a.mp4", ("mov_text", "mov_text")),
        ("a.mkv", ("subrip", "webvtt")),
        ("a.webm", ("webvtt", "webvtt")),
    ],
)
def test_subtitles_in_two_languages(tmp_path: Path, name: str, codecs: tuple[str, str]) -> None:
    """Text tracks of each container become cues with their language."""
    path = tmp_path / name
    tracks = tuple(
        SubtitleSpec(language=language, codec=codec, cues=CUES)
        for language, codec in zip(("kor", "eng"), codecs, strict=True)
    )
    write_clip(path, shots_ms=(2000,), subtitles=tracks)
    assert decode(path).audio_extract.cue_tracks == (
        CueTrack(language="ko", source="embedded", cues=PLAIN),
        CueTrack(language="en", source="embedded", cues=PLAIN),
    )


def test_uploaded_subtitles_come_first_and_bad_ones_warn(tmp_path: Path) -> None:
    """Files beside the video become cue tracks; one that cannot be read is only a warning."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(2000,))
    (tmp_path / "ko.srt").write_text(subtitle_text(CUES, kind="srt"))
    (tmp_path / "en.vtt").write_bytes(b"\x00\xff nothing")
    result = decode(
        path,
        subtitles=(
            SubtitleFile(path=tmp_path / "ko.srt", format="srt", language="ko"),
            SubtitleFile(path=tmp_path / "en.vtt", format="vtt", language="en"),
        ),
    )
    assert result.audio_extract.cue_tracks == (
        CueTrack(language="ko", source="uploaded", cues=PLAIN),
    )
    assert result.audio_extract.warnings == ("subtitle_unreadable",)


def test_progress_runs_from_0_to_1(tmp_path: Path) -> None:
    """Progress rises and ends at 1."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(1000,))
    media = Media(path=path, size_bytes=path.stat().st_size, content_type="")
    shares: list[float] = []
    decode_pass.run(media, upload_validate=upload_validate.run(media), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[-1] == 1.0


def test_the_result_can_be_stored(tmp_path: Path) -> None:
    """The three artifacts survive the codec, and the same file gives the same bytes."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(800, 700))
    data = artifacts.encode(decode(path))
    assert artifacts.encode(artifacts.decode(DecodePass, data)) == data
    assert artifacts.encode(decode(path)) == data


def test_some_damage_is_tolerated(tmp_path: Path) -> None:
    """A few destroyed packets leave the rest of the video searchable."""
    path = tmp_path / "a.mkv"
    write_clip(path, shots_ms=(2000, 2000))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    result = decode(path)
    assert_sound(result)
    assert result.scene_detect.duration_ms == pytest.approx(4000, abs=50)


def test_a_ruined_video_is_refused(tmp_path: Path) -> None:
    """When most pictures cannot be decoded the file has too many errors."""
    path = tmp_path / "a.mp4"
    write_clip(path, shots_ms=(2000, 2000), audio_codec="none", options=(("g", "500"),))
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.rindex(b"moov") - 4
    noise = random.Random(1).randbytes(end - start - 12_000)
    data[start + 12_000 : end] = noise
    path.write_bytes(data)
    with pytest.raises(InputError) as raised:
        decode(path)
    assert raised.value.code == "too_many_decode_errors"


def test_any_damage_ends_in_a_result_or_a_code(tmp_path: Path) -> None:
    """Sixty mutants of four containers: each gives a well-formed result or an error of ours."""
    chance = random.Random(20)
    codes = []
    for name in ("a.mp4", "a.mkv", "a.webm", "a.avi"):
        write_clip(tmp_path / name, shots_ms=(400, 400))
        whole = (tmp_path / name).read_bytes()
        for _ in range(15):
            path = tmp_path / f"mutant-{name}"
            path.write_bytes(mutated(whole, chance))
            codes.append(outcome(path))
    assert "decode_crashed" not in codes
    assert 0 < codes.count("") < len(codes)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bits flipped, and every other time the end cut off."""
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 10, 100))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged[: chance.choice((len(data), chance.randrange(len(data))))])


def outcome(path: Path) -> str:
    """The code that a file ends with, or "" for a well-formed result."""
    try:
        assert_sound(decode(path))
    except InputError as error:
        return error.code
    return ""


def test_sound_before_the_first_picture_has_scenes_with_a_picture(tmp_path: Path) -> None:
    """Where nothing is shown yet, a scene has the first picture that will be."""
    path = tmp_path / "late.mkv"
    times = tuple(range(40_000, 41_000, 50))
    write_clip(path, shots_ms=(41_000,), times_ms=times, audio_ms=41_000, audio_codec="libopus")
    result = decode(path)
    assert_sound(result)
    assert len(result.scene_detect.scenes) >= 3
