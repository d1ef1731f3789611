"""The models of the cpu and gpu profiles, from the files that `make models` put there."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from common import model_files, registry
from common.errors import ConfigError
from gpu_jobs.models.bge_m3 import BgeM3
from gpu_jobs.models.device import Device, pick, release_memory
from gpu_jobs.models.face_finder import FaceFinder
from gpu_jobs.models.screen_text import RapidOcrReader
from gpu_jobs.models.siglip import Siglip
from gpu_jobs.models.speech import Whisper
from gpu_jobs.models.zero_shot import ZeroShotTagger

#: Parts that are loaded side by side: reading one's weights takes as long as building another.
_PARTS: Final = ("speech", "text", "image", "ocr", "faces")


@dataclass(frozen=True, kw_only=True)
class FaceChoice:
    """Whether faces are looked for, and with what."""

    detect: bool = False
    #: Keys of models that the operator has a licence for.
    cleared: tuple[str, ...] = ()


class DownloadedModels:
    """Speech, text, vision, tags, on-screen text and, if wanted, faces.

    Args:
        profile: "cpu" or "gpu".
        directory: that `make models` filled.
        faces: faces are biometric data, and off unless asked for.
        device: where to compute; None for the GPU if there is one.

    Raises:
        ConfigError: the profile is unknown or has no directory. What is wrong with a model's
            files is found when it is loaded.
    """

    speech_note = ""

    def __init__(
        self,
        profile: str,
        directory: Path | None,
        *,
        faces: FaceChoice = FaceChoice(),
        device: Device | None = None,
    ) -> None:
        if directory is None:
            raise ConfigError(
                f"profile {profile!r} needs HEIMDEX_MODELS_DIR; fill a directory with: "
                f"make models PROFILE={profile}"
            )
        self._directory = directory
        self._faces = faces
        self._models: Mapping[registry.Role, registry.Model] = registry.load().profile(profile)
        self._device = device or pick()

    def load(self) -> None:
        """Load everything now, side by side, instead of when it is first used."""
        with ThreadPoolExecutor(len(_PARTS)) as pool:
            for _ in pool.map(lambda part: getattr(self, part), _PARTS):
                pass

    def release(self) -> None:
        """Give back the memory of the last video; the models stay."""
        release_memory()

    @property
    def faces_note(self) -> str:
        """Why there is no face model."""
        return "" if self._faces.detect else "face_detection_is_off"

    @cached_property
    def speech(self) -> Whisper:
        """Whisper, guarded against what it makes up."""
        return Whisper(
            self._verified("speech"), device=self._device, name=self._models["speech"].key
        )

    @cached_property
    def text(self) -> BgeM3:
        """BGE-M3: dense vectors and learned weights."""
        return BgeM3(self._verified("text"), device=self._device)

    @cached_property
    def image(self) -> Siglip:
        """SigLIP: frames and prompts in one space."""
        model = self._models["image"]
        return Siglip(self._verified("image"), device=self._device, name=model.key)

    @cached_property
    def tagger(self) -> ZeroShotTagger:
        """Tags by the image model's own text tower."""
        return ZeroShotTagger(self.image)

    @cached_property
    def ocr(self) -> RapidOcrReader:
        """RapidOCR with a Korean recogniser."""
        return RapidOcrReader(recogniser=self._verified("screen_text"))

    @cached_property
    def faces(self) -> FaceFinder | None:
        """YuNet and a recogniser; None unless asked for."""
        if not self._faces.detect:
            return None
        registry.refuse_uncleared(self._models["faces_embed"], self._faces.cleared)
        return FaceFinder.load(self._verified("faces_detect"), self._verified("faces_embed"))

    def _verified(self, role: registry.Role) -> Path:
        model = self._models[role]
        directory = registry.model_directory(self._directory, model)
        model_files.verify(model, directory)
        return directory
