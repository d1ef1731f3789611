"""One decode pass against PySceneDetect, and against it plus frames by seeking.

`python -m tests.benchmarks.bench_decode [--seconds N] [--runs N]` draws a 1080p30 clip with hard
cuts, runs the four variants in turn and prints medians; the last line is one JSON object. The clip
has no sound, as the others take none out; all variants run in this process, threads included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from scenedetect import AdaptiveDetector, detect

from common.domain import DecodePass, Media
from gpu_jobs.stages import decode_pass, upload_validate

WIDTH_PX, HEIGHT_PX, FPS = 1920, 1080, 30
SHOT_FRAMES = (61, 118, 90, 75, 140, 52)


@dataclass(kw_only=True)
class Timing:
    """CPU seconds (all threads) and wall seconds of each run of one variant."""

    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def add(self, action: Callable[[], object]) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        action()
        self.cpu_s.append(time.process_time() - cpu)
        self.wall_s.append(time.perf_counter() - wall)

    @property
    def cpu(self) -> float:
        return statistics.median(self.cpu_s)

    @property
    def wall(self) -> float:
        return statistics.median(self.wall_s)


def draw(frames: int) -> Iterator[npt.NDArray[np.uint8]]:
    """RGB frames: textured backgrounds that pan, discs that move, grain; hard cuts between."""
    random = np.random.default_rng(11)
    grain = [random.normal(0, 5, (HEIGHT_PX, WIDTH_PX, 1)).astype(np.int16) for _ in range(6)]
    canvas, left, shot = _canvas(random), 0, -1
    for index in range(frames):
        if left == 0:
            shot += 1
            canvas, left = _canvas(random), SHOT_FRAMES[shot % len(SHOT_FRAMES)]
        x, y = index * 3 % 256, index * 2 % 128
        picture = canvas[y : y + HEIGHT_PX, x : x + WIDTH_PX].copy()
        centre = (int(960 + 600 * np.sin(index / 20)), int(540 + 300 * np.cos(index / 27)))
        cv2.circle(picture, centre, 130, (230, 210, 40), -1)
        yield np.clip(picture + grain[index % len(grain)], 0, 255).astype(np.uint8)
        left -= 1


def _canvas(random: np.random.Generator) -> npt.NDArray[np.int16]:
    size = (WIDTH_PX + 256, HEIGHT_PX + 128)
    low, high = sorted(random.integers(0, 256, 2))
    rough = random.integers(low, high + 30, (40, 64, 3)).astype(np.uint8)
    fine = random.integers(0, 60, (270, 480, 1)).astype(np.uint8)
    coarse = cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    texture = cv2.resize(fine, size, interpolation=cv2.INTER_LINEAR).astype(np.int16)
    return np.asarray(coarse + texture[..., None] - 30, np.int16)


def write_clip(path: Path, seconds: int) -> None:
    """H.264 as the web has it: x264 medium with B-frames and long GOPs."""
    options = {"preset": "medium", "crf": "23", "g": "250", "bf": "3"}
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        for index, picture in enumerate(draw(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def one_pass(path: Path) -> DecodePass:
    """Both stages of the media lane, as the worker runs them."""
    media = Media(path=path, size_bytes=path.stat().st_size, content_type="video/mp4")
    probe = upload_validate.run(media)
    return decode_pass.run(media, upload_validate=probe, progress=lambda _: None)


def detector(path: Path) -> list[int]:
    """PySceneDetect on its own; the starts of its scenes in ms."""
    return [round(start.seconds * 1000) for start, _ in detect(str(path), AdaptiveDetector())]


def seek_frames(path: Path, times_ms: Sequence[int]) -> None:
    """The same pictures by seeking with OpenCV, as JPEG of the same size."""
    capture = cv2.VideoCapture(str(path))
    for time_ms in times_ms:
        capture.set(cv2.CAP_PROP_POS_MSEC, time_ms)
        _, picture = capture.read()
        small = cv2.resize(picture, (1280, 720), interpolation=cv2.INTER_AREA)
        cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 90])
    capture.release()


def bare_decode(path: Path) -> None:
    """FFmpeg alone, with the same threads."""
    with av.open(str(path)) as media:
        media.streams.video[0].thread_type = "AUTO"
        for _ in media.decode(video=0):
            pass


def same_cuts(result: DecodePass, starts_ms: Sequence[int]) -> bool:
    """Whether the detector's scene starts are exactly ours, windows of long takes aside."""
    ours = {scene.start_ms for scene in result.scene_detect.scenes}
    extra = ours - set(starts_ms)
    longest = max(b - a for a, b in zip(starts_ms, [*starts_ms[1:], 10**9], strict=True))
    return set(starts_ms) <= ours and (not extra or longest >= 16_000)


def measure(path: Path, runs: int) -> dict[str, object]:
    """Run the variants in turn, so that other load hits all alike."""
    result = one_pass(path)
    times_ms = [frame.time_ms for frame in result.vision_sample_frames.frames]
    ours, alone, seeking, bare = Timing(), Timing(), Timing(), Timing()
    for _ in range(runs):
        ours.add(lambda: one_pass(path))
        alone.add(lambda: detector(path))
        seeking.add(lambda: seek_frames(path, times_ms))
        bare.add(lambda: bare_decode(path))
    both_cpu, both_wall = alone.cpu + seeking.cpu, alone.wall + seeking.wall
    rows = (
        ("one pass (ours)", ours.cpu, ours.wall),
        ("PySceneDetect AdaptiveDetector", alone.cpu, alone.wall),
        (f"… plus {len(times_ms)} frames by seeking", both_cpu, both_wall),
        ("bare PyAV decode", bare.cpu, bare.wall),
    )
    print(f"{'variant':36} {'CPU s':>8} {'wall s':>8}")
    for name, cpu, wall in rows:
        print(f"{name:36} {cpu:8.2f} {wall:8.2f}")
    return {
        "cpu_ratio": round(both_cpu / ours.cpu, 2),
        "wall_ratio": round(both_wall / ours.wall, 2),
        "cpu_ratio_detector": round(alone.cpu / ours.cpu, 2),
        "cpu_over_bare_decode": round(ours.cpu / bare.cpu, 2),
        "same_cuts": same_cuts(result, detector(path)),
        "scenes": len(result.scene_detect.scenes),
        "frames": len(times_ms),
    }


def main() -> None:
    """Draw the clip, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="length of the clip")
    parser.add_argument("--runs", type=int, default=3, help="runs of each variant")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "clip.mp4"
        write_clip(path, arguments.seconds)
        megabits = path.stat().st_size * 8 / arguments.seconds / 1e6
        print(f"{arguments.seconds} s of {HEIGHT_PX}p{FPS}, {megabits:.1f} Mbit/s")
        figures = measure(path, arguments.runs)
    print(json.dumps({"seconds": arguments.seconds, "runs": arguments.runs} | figures))


if __name__ == "__main__":
    main()
