"""What made an index: models, revisions and preprocessing, as one short name.

Every vector row carries the index version that made it, and a query is encoded by the models of
the version it searches. Anything that changes a vector or a score changes the manifest here, and
so builds a new version beside the old one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID, uuid5

from common import coding, registry
from common.errors import ConfigError

#: Version of the vocabulary of tags, its prompts and their calibration in the profiles that tag by
#: an image model; raise it with any change of them.
TAG_VOCABULARY_VERSION: Final = 1

#: Namespace of scene ids; a constant of this project, never to be changed.
_SCENES: Final = UUID("5f0c7f5e-6a57-5d0c-9a39-2b1d1d6d0c7e")


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """One model of an index."""

    #: What it is for: "text", "image", "tags", "screen_text", or a role of the model registry.
    role: str
    name: str
    #: SHA-256 of the weights (of several files: joined by "+"), "" for what is code, or the
    #: fingerprint of a model of the registry.
    sha256: str = ""
    #: Length of its vectors, or 0.
    dimensions: int = 0
    #: Version of everything around the weights; raise it when the output changes.
    preprocessing: int = 1
    #: Of its vectors (`common.coding`), or "".
    coding: str = ""


#: Roles whose vectors search compares by code.
_CODED: Final = ("text", "image")
#: RapidOCR's detector, from its wheel: the same in every profile.
_DETECTOR_SHA256: Final = "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"

#: The models of the profiles that download none; the others' are in the model registry.
MANIFESTS: Final[Mapping[str, tuple[ModelRecord, ...]]] = MappingProxyType(
    {
        "offline": (
            ModelRecord(
                role="text",
                name="all-MiniLM-L6-v2",
                sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                dimensions=1024,
                coding=coding.of_model("all-MiniLM-L6-v2").name,
            ),
            ModelRecord(
                role="image",
                name="colour-and-light",
                dimensions=1152,
                preprocessing=2,
                coding=coding.of_model("colour-and-light").name,
            ),
            ModelRecord(role="tags", name="colour-and-light-tags"),
            ModelRecord(
                role="screen_text",
                name="rapidocr-ppocr-v6-small",
                sha256=f"{_DETECTOR_SHA256}"
                "+6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
            ),
        ),
    }
)


def index_version(profile: str, *, choose: Collection[str] = ()) -> str:
    """The name of the index that a profile builds and searches.

    While a model of the registry is not pinned, its hashes count as empty: pinning it gives the
    index another name, and what was indexed before is indexed anew.

    Args:
        profile: "offline", "cpu" or "gpu".
        choose: keys of models that take the place of the profile's own.

    Returns:
        The profile and 12 hex digits of its manifest's hash, e.g. "offline-0123456789ab".

    Raises:
        ConfigError: there is no such profile, or a model cannot be chosen in it.
    """
    records = manifest(profile, choose=choose)
    canonical = json.dumps(
        [asdict(record) for record in records], sort_keys=True, separators=(",", ":")
    )
    return f"{profile}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"


def manifest(profile: str, *, choose: Collection[str] = ()) -> tuple[ModelRecord, ...]:
    """The models that make an index, in a fixed order.

    Raises:
        ConfigError: there is no such profile, or a model cannot be chosen in it.
    """
    if profile in MANIFESTS:
        if choose:
            raise ConfigError(f"profile {profile!r} has no models to choose")
        return MANIFESTS[profile]
    # Whether whoever runs it may use a model is asked where it is loaded.
    models = registry.load().profile(profile, choose=choose, cleared=choose)
    downloaded = tuple(
        ModelRecord(
            role=role,
            name=models[role].key,
            sha256=models[role].fingerprint,
            dimensions=models[role].dimensions,
            preprocessing=models[role].preprocessing,
            coding=coding.of_model(models[role].key).name if role in _CODED else "",
        )
        for role in sorted(models)
    )
    return (
        *downloaded,
        ModelRecord(
            role="screen_text_detect", name="rapidocr-ppocr-v6-small", sha256=_DETECTOR_SHA256
        ),
        ModelRecord(role="tags", name="zero-shot-tags", preprocessing=TAG_VOCABULARY_VERSION),
    )


def scene_id(video_id: UUID, generation: int, index_version: str, ordinal: int) -> UUID:
    """The id of a scene: the same for every attempt, another for every upload and index.

    Args:
        video_id: of the video.
        generation: of its object in Cloud Storage.
        index_version: that the scene belongs to.
        ordinal: of the scene, from 0.
    """
    return uuid5(_SCENES, f"{video_id}/{generation}/{index_version}/{ordinal}")
