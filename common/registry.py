"""The models of the profiles that download: what they are, from where, and under which licence.

`registry.json` beside this file lists every model with its repository, revision, files and their
SHA-256. What nobody has seen yet is empty there, never guessed: `make models-pin` fills it in, and
a deployment refuses a model that is not pinned.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import ClassVar, Final, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from common.errors import ConfigError

Role = Literal["speech", "text", "image", "screen_text", "faces_detect", "faces_embed"]
Format = Literal["ctranslate2", "onnx", "safetensors"]

#: The registry that is shipped.
REGISTRY_FILE: Final = Path(__file__).with_name("registry.json")
#: Licences that let anyone use a model commercially; a model under another is never cleared.
ALLOWED_LICENCES: Final = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT"})
#: What may be kept of a model, by its suffix. None of these can hold code that loading runs;
#: CTranslate2 calls its format `.bin` too, which is then the only one of that name.
SAFE_SUFFIXES: Final = frozenset({".json", ".model", ".onnx", ".safetensors", ".txt"})
#: Below a model's directory: what was made from it on this machine, e.g. towers in ONNX.
DERIVED: Final = "derived"

_REVISION = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[a-z0-9][a-z0-9.-]*")
_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file of a model."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    #: Below the repository, and below the model's directory.
    path: str
    #: 64 hex digits, or "" while nobody has pinned it.
    sha256: str = ""
    #: Length, or 0 while unknown.
    size_bytes: int = 0

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        hidden = any(part.startswith(".") for part in parts)
        if not parts or self.path.startswith("/") or "\\" in self.path or hidden:
            raise ValueError(f"{self.path!r} is not a path below a repository")
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.path}: sha256 is 64 hex digits or empty")
        if self.size_bytes < 0:
            raise ValueError(f"{self.path}: size_bytes is not negative")


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """Pickles that are turned into safe files once, offline, and then deleted."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    #: Of the function in `gpu_jobs.models.convert`.
    name: str
    #: Paths of the model's files that it reads and that are not kept.
    inputs: tuple[str, ...]
    #: What it writes.
    outputs: tuple[ModelFile, ...]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model, at one revision."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    key: str
    role: Role
    format: Format
    #: Owner and name on the hub.
    repository: str
    #: 40 hex digits, or "" while nobody has pinned it.
    revision: str = ""
    #: SPDX identifier of the weights' licence; NOASSERTION where their owner states none.
    licence: str
    #: Where the licence is stated.
    licence_source: str
    #: Cleared for commercial use.
    commercial: bool
    #: Length of its vectors, or 0.
    dimensions: int = 0
    #: Version of everything around the weights; raise it when the output changes.
    preprocessing: int = 1
    files: tuple[ModelFile, ...]
    conversion: Conversion | None = None
    #: There is no public download: whoever holds a licence puts the files there.
    supplied: bool = False
    #: Who vouches for revision and hashes.
    pinned_by: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"{self.key!r} is not a key")
        if self.revision and not _REVISION.fullmatch(self.revision):
            raise ValueError(f"{self.key}: revision is 40 hex digits or empty")
        if self.commercial and self.licence not in ALLOWED_LICENCES:
            raise ValueError(f"{self.key}: {self.licence} does not clear commercial use")
        missing = set(self.inputs) - {file.path for file in self.files}
        if missing:
            raise ValueError(f"{self.key}: the conversion reads unlisted files: {sorted(missing)}")
        paths = [file.path for file in self.kept]
        if len(set(paths)) != len(paths):
            raise ValueError(f"{self.key}: lists a file twice")
        for path in paths:
            if not self.may_keep(path):
                raise ValueError(f"{self.key}: {path} could be a pickle; convert it or leave it")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Paths of the files that are only there to be converted."""
        return self.conversion.inputs if self.conversion else ()

    @property
    def kept(self) -> tuple[ModelFile, ...]:
        """The files a loader finds: none of them a pickle."""
        outputs = self.conversion.outputs if self.conversion else ()
        return tuple(file for file in self.files if file.path not in self.inputs) + outputs

    def may_keep(self, path: str) -> bool:
        """Whether a file of this name is of a format that cannot run code when it is loaded."""
        pure = PurePosixPath(path)
        ctranslate2 = self.format == "ctranslate2" and pure.name == "model.bin"
        return pure.suffix in SAFE_SUFFIXES or ctranslate2

    @property
    def unpinned(self) -> tuple[str, ...]:
        """What is still unknown: "revision", or paths of files without a hash."""
        files = [*self.files, *(self.conversion.outputs if self.conversion else ())]
        revision = ["revision"] if not self.revision and not self.supplied else []
        return (*revision, *(file.path for file in files if not file.sha256))

    @property
    def is_pinned(self) -> bool:
        """Whether revision and every hash are known."""
        return not self.unpinned

    @property
    def fingerprint(self) -> str:
        """Short text that changes with anything that can change the model's output.

        What is not pinned counts as empty, so that pinning a model changes it once.
        """
        facts = {
            "revision": self.revision,
            "files": {file.path: file.sha256 for file in (*self.files, *self.kept)},
            "conversion": self.conversion.name if self.conversion else "",
            "dimensions": self.dimensions,
            "preprocessing": self.preprocessing,
        }
        canonical = json.dumps([self.key, facts], sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return f"{self.key}@{self.revision[:12] or 'unpinned'}-{digest[:16]}"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The models of one profile."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    #: The key of each role's model.
    default: dict[Role, str]
    #: Keys of models that may be chosen instead of a default.
    selectable: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Every model of every profile that downloads."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    profiles: dict[str, Profile]
    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        by_key = {model.key: model for model in self.models}
        if len(by_key) != len(self.models):
            raise ValueError("a key is used twice")
        for name, profile in self.profiles.items():
            unknown = {*profile.default.values(), *profile.selectable} - by_key.keys()
            if unknown:
                raise ValueError(f"profile {name} names unknown models: {sorted(unknown)}")
            for role, key in profile.default.items():
                if by_key[key].role != role:
                    raise ValueError(f"profile {name}: {key} is not a model for {role}")
                if not by_key[key].commercial:
                    raise ValueError(f"profile {name}: {key} is not cleared; make it selectable")

    def model(self, key: str) -> Model:
        """The model of that key.

        Raises:
            ConfigError: there is none.
        """
        for model in self.models:
            if model.key == key:
                return model
        keys = ", ".join(model.key for model in self.models)
        raise ConfigError(f"there is no model {key!r}; the registry has {keys}")

    def profile(
        self, name: str, *, choose: Collection[str] = (), cleared: Collection[str] = ()
    ) -> Mapping[str, Model]:
        """The model of each role.

        Args:
            name: "cpu" or "gpu".
            choose: keys of selectable models that take the place of their role's default.
            cleared: keys of models that the operator has a licence for; without it a model that
                is not cleared for commercial use is refused.

        Raises:
            ConfigError: unknown profile, or a chosen model is not selectable or not cleared.
        """
        if name not in self.profiles:
            known = ", ".join(sorted(self.profiles))
            raise ConfigError(f"profile {name!r} downloads no models; those that do: {known}")
        profile = self.profiles[name]
        models: dict[str, Model] = {role: self.model(key) for role, key in profile.default.items()}
        for key in choose:
            if key not in (*profile.selectable, *profile.default.values()):
                allowed = ", ".join(profile.selectable) or "none"
                raise ConfigError(
                    f"{key!r} cannot be chosen in profile {name}; these can: {allowed}"
                )
            model = self.model(key)
            refuse_uncleared(model, cleared)
            models[model.role] = model
        return MappingProxyType(models)

    def refuse_unpinned(
        self, name: str, *, choose: Collection[str] = (), cleared: Collection[str] = ()
    ) -> None:
        """Let only models through whose every byte is known; a deployment calls this.

        Raises:
            ConfigError: names each model and what of it is not pinned.
        """
        models = self.profile(name, choose=choose, cleared=cleared).values()
        gaps = [
            f"{model.key} ({', '.join(model.unpinned)})" for model in models if not model.is_pinned
        ]
        if gaps:
            raise ConfigError(
                f"profile {name} is not pinned: {'; '.join(gaps)}. "
                f"Run make models-pin PROFILE={name} and commit common/registry.json"
            )


_ADAPTER: Final = TypeAdapter(Registry)


def load(path: Path = REGISTRY_FILE) -> Registry:
    """Read a registry.

    Raises:
        ConfigError: the file is missing or not a valid registry.
    """
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{path} is not a registry of models: {error}") from error


def dumps(registry: Registry) -> str:
    """The canonical text of a registry: the same registry is always the same bytes."""
    plain = _ADAPTER.dump_python(registry, mode="json")
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def model_directory(models_dir: Path, model: Model) -> Path:
    """Where a model's files are: another revision is another directory."""
    return models_dir / model.key / (model.revision or "unpinned")


def refuse_uncleared(model: Model, cleared: Collection[str]) -> None:
    """The licence gate.

    Raises:
        ConfigError: the model is not cleared for commercial use, and not by the operator either.
    """
    if not model.commercial and model.key not in cleared:
        raise ConfigError(
            f"{model.key} is not cleared for commercial use ({model.licence}, see "
            f"{model.licence_source}); whoever holds a licence lists its key as cleared"
        )


def refuse_unpinned(profile: str) -> None:
    """`Registry.refuse_unpinned` of the registry that is shipped.

    Raises:
        ConfigError: names each model and what of it is not pinned.
    """
    load().refuse_unpinned(profile)
