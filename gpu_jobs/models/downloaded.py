"""The models of the cpu and gpu profiles, from the files that `make models` put there."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from common import model_files, registry
from common.errors import ConfigError
from gpu_jobs.models import face_gate
from gpu_jobs.models.bge_m3 import BgeM3
from gpu_jobs.models.device import Device, pick, release_memory
from gpu_jobs.models.face_recognisers import AdaFace, SFace
from gpu_jobs.models.faces import FaceFinder, open_faces
from gpu_jobs.models.screen_text import RapidOcrReader
from gpu_jobs.models.siglip import Siglip
from gpu_jobs.models.speech import Whisper
from gpu_jobs.models.zero_shot import ZeroShotTagger

if TYPE_CHECKING:
    from common.config import Settings

#: Loaded side by side: while the weights of one are read, another is built. What transformers
#: loads stays in one thread: it imports its modules at first use, and not safely from several.
_SIDE_BY_SIDE: Final = (("text", "image"), ("speech",), ("ocr", "faces"))
#: Imported before the threads start, for the same reason.
_LIBRARIES: Final = ("torch", "transformers", "FlagEmbedding", "faster_whisper")


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which models, and where they are."""

    #: "cpu" or "gpu".
    profile: str
    #: That `make models` filled.
    directory: Path
    #: Keys of registry models that take the place of their role's default.
    chosen: tuple[str, ...] = ()
    #: Faces are biometric data, and looked for only when asked.
    detect_faces: bool = False
    #: The operator holds a licence for a face recogniser that is not cleared.
    face_licensed: bool = False

    @classmethod
    def of(cls, settings: Settings) -> ModelChoice:
        """As the settings say.

        Raises:
            ConfigError: they name no directory.
        """
        if not settings.models_dir:
            raise ConfigError(
                f"profile {settings.profile!r} needs HEIMDEX_MODELS_DIR; fill a directory with: "
                f"make models PROFILE={settings.profile}"
            )
        return cls(
            profile=settings.profile,
            directory=Path(settings.models_dir),
            chosen=settings.chosen_models,
            detect_faces=settings.looks_at_faces,
            face_licensed=settings.feature_face_licensed,
        )


class DownloadedModels:
    """Speech, text, vision, tags, on-screen text and, if wanted, faces.

    Args:
        choice: which, and where.
        device: where to compute; None for the GPU if there is one.

    Raises:
        ConfigError: the registry has no such profile or choice. What is wrong with a model's
            files is found when it is loaded.
    """

    speech_note = ""

    def __init__(self, choice: ModelChoice, *, device: Device | None = None) -> None:
        self._choice = choice
        # The face gate asks for the licence, and only when faces are looked for.
        self._models: Mapping[str, registry.Model] = registry.load().profile(
            choice.profile, choose=choice.chosen, cleared=choice.chosen
        )
        self._device = device or pick()

    def load(self) -> None:
        """Load everything now, side by side, instead of when it is first used."""
        for library in _LIBRARIES:
            importlib.import_module(library)
        with ThreadPoolExecutor(len(_SIDE_BY_SIDE)) as pool:
            for _ in pool.map(self._load, _SIDE_BY_SIDE):
                pass

    def release(self) -> None:
        """Give back what the last video left; the models stay."""
        release_memory()

    @property
    def faces_note(self) -> str:
        """Why there is no face model."""
        return "" if self._choice.detect_faces else face_gate.SWITCHED_OFF

    @cached_property
    def speech(self) -> Whisper:
        """Whisper, guarded against what it makes up."""
        name = self._models["speech"].key
        return Whisper(self._directory("speech"), device=self._device, name=name)

    @cached_property
    def text(self) -> BgeM3:
        """BGE-M3: dense vectors and learned weights."""
        return BgeM3(self._directory("text"), device=self._device)

    @cached_property
    def image(self) -> Siglip:
        """SigLIP: frames and prompts in one space."""
        model = self._models["image"]
        return Siglip(
            self._directory("image"),
            device=self._device,
            name=model.key,
            lower_case=model.key.startswith("siglip2-"),
        )

    @cached_property
    def tagger(self) -> ZeroShotTagger:
        """Tags by the image model's own text tower, which is run once for all videos."""
        kept_in = self._directory("image") / registry.DERIVED
        return ZeroShotTagger(self.image, kept_in=kept_in)

    @cached_property
    def ocr(self) -> RapidOcrReader:
        """RapidOCR with a Korean recogniser."""
        return RapidOcrReader(recogniser=self._file("screen_text").parent)

    @cached_property
    def faces(self) -> FaceFinder | None:
        """YuNet and a recogniser; None unless asked for."""
        if not self._choice.detect_faces:
            return None
        adaface = self._models["faces_embed"].key.startswith("adaface-")
        return open_faces(
            self._file("faces_detect"),
            self._file("faces_embed"),
            AdaFace if adaface else SFace,
            device=self._device,
            licensed=self._choice.face_licensed,
        )

    def _load(self, parts: Iterable[str]) -> None:
        for part in parts:
            getattr(self, part)

    def _directory(self, role: str) -> Path:
        """Where a role's model is, once its files have been verified."""
        model = self._models[role]
        directory = registry.model_directory(self._choice.directory, model)
        model_files.verify(model, directory)
        return directory

    def _file(self, role: str) -> Path:
        """The one file of a role's model."""
        return self._directory(role) / self._models[role].files[0].path
