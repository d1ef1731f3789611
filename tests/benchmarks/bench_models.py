"""The models of the gpu lane and of search with full-size random weights, on CPU or CUDA.

`python -m tests.benchmarks.bench_models [--size base|full|tiny] [--whisper small|large-v3-turbo]
[--seconds N] [--device cpu|cuda] [--int8] [--stages NAME …]` runs each stage in a process of its
own and prints what it does per second, its peak memory, and what a 10-minute video takes; the last
line is one JSON object. Each stage is measured beside a plain use of the same model, in the same
process.

It needs torch and transformers; the speech stage also ctranslate2, and search's also onnx,
onnxscript and onnxruntime. A stage whose libraries are missing is reported and left out.

The 10-minute video is assumed to have 75 scenes of 40 tokens each, three frames per scene, and
speech all the time (each 30 s of it decoded to 128 tokens by a beam of 5). Not measured: decoding,
tags (one matrix product), on-screen text and faces, and loading the models.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

from tests.benchmarks.model_stages import STAGES, Setting, measure
from tests.benchmarks.model_weights import Size

VIDEO_S: Final = 600
SCENES: Final = 75
FRAMES_PER_SCENE: Final = 3
TOKENS_PER_SCENE: Final = 40
#: What a 10-minute video may take in all.
TARGET_S: Final = 300
#: Items of a stage in that video, in the unit of its rate.
WORK: Final = {
    "asr_transcribe": VIDEO_S,
    "embed_text": SCENES * TOKENS_PER_SCENE,
    "vision_embed_frames": SCENES * FRAMES_PER_SCENE,
}


def per_video(results: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each stage for the 10-minute video, and its share of the target."""
    seconds = {
        stage: items / results[stage][results[stage]["used"]]
        for stage, items in WORK.items()
        if "used" in results.get(stage, {})
    }
    total = sum(seconds.values())
    return {
        "stages": {
            stage: {"seconds": round(each, 2), "share_of_target": round(each / TARGET_S, 4)}
            for stage, each in seconds.items()
        },
        "total_s": round(total, 2),
        "share_of_target": round(total / TARGET_S, 4),
        "complete": seconds.keys() == WORK.keys(),
    }


def run(stage: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Measure a stage in a process of its own."""
    command = [
        *(sys.executable, "-m", "tests.benchmarks.bench_models", "--child", stage),
        *("--size", asked.size, "--whisper", asked.whisper, "--device", asked.device),
        *("--seconds", str(asked.seconds), *(["--int8"] if asked.int8 else [])),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def child(stage: str, asked: argparse.Namespace) -> None:
    """Measure and print one JSON line."""
    with tempfile.TemporaryDirectory(prefix="heimdex-bench-") as directory:
        setting = Setting(
            size=asked.size,
            whisper=asked.whisper,
            device=asked.device,
            seconds=asked.seconds,
            directory=Path(directory),
            int8=asked.int8,
        )
        print(json.dumps(measure(stage, setting)))


def hardware(device: str) -> str:
    """What it ran on."""
    cores = len(os.sched_getaffinity(0))
    name = f"{cores} cores of {_processor()}"
    if device == "cuda":
        import torch

        name = f"{torch.cuda.get_device_name(0)}, {name}"
    return name


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def table(results: dict[str, Any], video: dict[str, Any]) -> None:
    """Print what was measured."""
    row = "{:20} {:14} {:>10} {:>10} {:>6} {:>10} {:>10}"
    print(row.format("stage", "unit", "project", "plain", "ratio", "peak MiB", "10 min, s"))
    for stage, found in results.items():
        if "error" in found:
            print(f"{stage:20} not measured: {found['error']}")
        elif stage == "search":
            for tower in ("bge-m3", "siglip"):
                print(f"{stage:20} ms/query       {tower}: {found[tower]}")
        else:
            seconds = video["stages"][stage]["seconds"]
            cells = [found.get(key, "–") for key in ("project", "plain", "ratio", "peak_mib")]
            print(row.format(stage, found["unit"], *map(str, cells), seconds))
    share = f"{video['share_of_target']:.1%} of {TARGET_S} s"
    note = "" if video["complete"] else " (not all stages)"
    print(f"10-minute video: {video['total_s']} s, {share}{note}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=get_args(Size), default="base")
    parser.add_argument("--whisper", choices=("small", "large-v3-turbo"), default="small")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="by default what torch sees")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each variant of a stage")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--int8", action="store_true", help="search's text towers in int8 too")
    parser.add_argument("--child", choices=STAGES, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.device is None:
        import torch

        asked.device = "cuda" if torch.cuda.is_available() else "cpu"
    if asked.child:
        child(asked.child, asked)
        return
    results = {stage: run(stage, asked) for stage in asked.stages}
    video = per_video(results)
    table(results, video)
    print(
        json.dumps(
            {
                "hardware": hardware(asked.device),
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "size": asked.size,
                "whisper": asked.whisper,
                "device": asked.device,
                "results": results,
                "video": video,
            }
        )
    )


if __name__ == "__main__":
    main()
