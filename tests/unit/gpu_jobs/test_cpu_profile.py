"""The cpu profile as a whole, on tiny checkpoints: from a video's parts to rows, and to a query."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psutil
import pytest

from common import encoders, model_mirror, registry
from common.domain import Cue, CueTrack, DecodePass, IndexRows, Media, Transcript
from common.errors import ConfigError
from common.index_version import index_version
from common.storage import ObjectStore
from gpu_jobs import models as gpu_models
from gpu_jobs.models import OfflineModels, mirror
from gpu_jobs.models.device import Device
from gpu_jobs.models.downloaded import DownloadedModels, ModelChoice
from gpu_jobs.pipeline import PIPELINE
from gpu_jobs.stage import Features, VideoFacts
from gpu_jobs.stages import decode_pass, upload_validate
from tests.checkpoints import profile
from tests.conftest import settings
from tests.fakes import FileStore
from tests.media import write_clip

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `make models` would have put them."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", autouse=True)
def tiny(directory: Path) -> Iterator[registry.Registry]:
    """The registry of the tiny checkpoints, which are written to the directory."""
    tiny = profile.write(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "load", lambda: tiny)
        yield tiny


def _downloaded(directory: Path, **choice: Any) -> DownloadedModels:
    return DownloadedModels(
        ModelChoice(profile="cpu", directory=directory, **choice), device=Device(kind="cpu")
    )


@pytest.fixture(scope="module")
def models(directory: Path, tiny: registry.Registry) -> DownloadedModels:
    """All of them, loaded side by side as a worker does."""
    loaded = _downloaded(directory, detect_faces=True)
    loaded.load()
    return loaded


def _parts(path: Path, **clip: Any) -> DecodePass:
    """What the media lane makes of a clip."""
    write_clip(path, **clip)
    media = Media(path=path, size_bytes=path.stat().st_size, content_type="", subtitles=())
    probe = upload_validate.run(media)
    return decode_pass.run(media, upload_validate=probe, progress=lambda _: None)


def _spoken(parts: DecodePass, *cues: tuple[int, int, str]) -> DecodePass:
    """The same with subtitles."""
    track = CueTrack(
        language="ko",
        source="uploaded",
        cues=tuple(Cue(start_ms=start, end_ms=end, text=text) for start, end, text in cues),
    )
    return replace(parts, audio_extract=replace(parts.audio_extract, cue_tracks=(track,)))


def _gpu_lane(parts: DecodePass, models: Any) -> dict[str, Any]:
    """Every stage of the gpu lane, as the runner calls them, but without a ledger."""
    facts = VideoFacts(user_id=uuid4(), video_id=uuid4(), generation=1, index_version="cpu-tiny")
    given: dict[str, Any] = {
        "models": models,
        "video": facts,
        "names": ("민지",),
        "progress": lambda _: None,
        "features": Features(),
        "consent": True,
        "audio_extract": parts.audio_extract,
        "scene_detect": parts.scene_detect,
        "vision_sample_frames": parts.vision_sample_frames,
    }
    for stage in PIPELINE.lane("gpu"):
        given[stage.name] = stage.run(**{name: given[name] for name in stage.arguments})
    models.release()
    return given


def test_a_new_process_loads_all_side_by_side(
    directory: Path, tiny: registry.Registry, tmp_path: Path
) -> None:
    """Where no library has been imported yet, threads do not get in each other's way."""
    (tmp_path / "registry.json").write_text(registry.dumps(tiny))
    code = (
        "import sys; from pathlib import Path; from common import registry; read = registry.load\n"
        "registry.load = lambda: read(Path(sys.argv[1]))\n"
        "from gpu_jobs.models.downloaded import DownloadedModels, ModelChoice\n"
        "choice = ModelChoice(profile='cpu', directory=Path(sys.argv[2]), detect_faces=True)\n"
        "DownloadedModels(choice).load()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "registry.json"), str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_video_becomes_rows(models: DownloadedModels, tmp_path: Path) -> None:
    """Every stage runs on the profile's own models, and the rows hold what they found."""
    parts = _parts(tmp_path / "clip.mp4", shots_ms=(1500, 1500))
    made = _gpu_lane(_spoken(parts, (0, 1000, "빨간 차가 밤에 달린다")), models)
    rows: IndexRows = made["commit"]
    first, second = rows.scenes
    assert first.text_vector is not None
    assert second.text_vector is None
    assert np.linalg.norm(first.text_vector) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(first.frame_vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert {term.source for term in first.terms} == {"transcript", "learned"}
    assert made["vision_tags"].model.startswith("siglip2-base-patch16-384")
    assert made["faces_detect"].model == "yunet+sface"
    assert made["text_read"].model == "rapidocr-korean_tiny"


def test_sound_without_speech_is_no_transcript(models: DownloadedModels, tmp_path: Path) -> None:
    """A clip's tone goes through the voice detector, and nothing is made up."""
    parts = _parts(tmp_path / "clip.mp4", shots_ms=(2000,))
    transcript: Transcript = _gpu_lane(parts, models)["asr_transcribe"]
    assert (transcript.segments, transcript.note) == ((), "no_speech_found")


def test_a_query_meets_what_was_indexed(
    directory: Path, tiny: registry.Registry, models: DownloadedModels
) -> None:
    """Search's ONNX towers give the vectors that the jobs' models give, in both spaces."""
    assert len(list(mirror.export(tiny.profile("cpu"), directory))) == 2
    assert list(mirror.export(tiny.profile("cpu"), directory)) == []
    query = encoders.load("cpu", directory)
    texts = ["빨간 차 밤에", "Man crying"]
    np.testing.assert_allclose(query.text.encode(texts), models.text.encode(texts), atol=1e-4)
    for text, expected in zip(texts, models.image.encode_texts(texts), strict=True):
        pictured = query.image.encode(text)
        assert pictured is not None
        np.testing.assert_allclose(pictured, expected, atol=1e-4)


def test_models_come_from_the_bucket(
    directory: Path, tiny: registry.Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with an empty disk fetches what it needs of what was mirrored, and loads it."""
    store = FileStore(tmp_path / "bucket")
    list(mirror.export(tiny.profile("cpu"), directory))
    told = settings(profile="cpu", models_dir=str(tmp_path / "disk"), models_bucket="models")
    version = index_version("cpu")
    mirror.push(tiny.profile("cpu"), directory, store, "models", version)
    monkeypatch.setattr(ObjectStore, "connect", lambda _: store)
    loaded = gpu_models.load(told)
    assert loaded.text.name == "bge-m3"
    assert not (tmp_path / "disk" / encoders.QUERY).exists()
    model_mirror.pull(store, "models", version, tmp_path / "search", below=encoders.QUERY)
    encoders.load("cpu", tmp_path / "search")


def test_faces_are_off_unless_asked_for(directory: Path) -> None:
    """No face model is loaded, and the record says why."""
    off = _downloaded(directory)
    assert off.faces is None
    assert off.faces_note == "faces_switched_off"


def test_a_changed_file_is_refused(directory: Path, tiny: registry.Registry) -> None:
    """What is not what the registry pins is not loaded; the message says how to mend it."""
    model = tiny.profile("cpu")["image"]
    place = registry.model_directory(directory, model)
    pinned = replace(model, files=tuple(replace(file, sha256="0" * 64) for file in model.files))
    with pytest.MonkeyPatch.context() as patch:
        changed = tuple(pinned if each.key == model.key else each for each in tiny.models)
        patch.setattr(registry, "load", lambda: replace(tiny, models=changed))
        with pytest.raises(ConfigError, match="make models PROFILE=cpu"):
            _ = _downloaded(directory).image
    assert place.is_dir()


def test_a_profile_without_a_directory_says_what_to_do() -> None:
    """The command that fetches the models is in the message."""
    with pytest.raises(ConfigError, match="make models PROFILE=gpu"):
        gpu_models.load(settings(profile="gpu"))


def test_the_offline_profile_loads_nothing_of_this() -> None:
    """It needs no directory, and keeps its own models."""
    assert isinstance(gpu_models.load(settings()), OfflineModels)


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_twenty_long_videos_leave_no_memory_behind(
    models: DownloadedModels, tmp_path: Path
) -> None:
    """Ten minutes of video, twenty times through one worker's models: memory stays where it was."""
    parts = _parts(tmp_path / "long.mp4", shots_ms=(6_000,) * 100, fps=5)
    spoken = _spoken(parts, *((at, at + 2_000, f"문장 {at}") for at in range(0, 600_000, 6_000)))
    process = psutil.Process()
    used: list[int] = []
    for _ in range(20):
        _gpu_lane(spoken, models)
        gc.collect()
        used.append(process.memory_info().rss)
    # The first videos fill caches and pools.
    assert max(used[10:]) - max(used[:5]) < 64 * 1024 * 1024, used
