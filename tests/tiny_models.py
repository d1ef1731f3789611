"""A registry of tiny models in the real formats, and what a hub holds of them."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Mapping
from pathlib import Path

from common.registry import Conversion, Model, ModelFile, Profile, Registry, dumps
from tests.hub import REVISION, StandIn

SPEECH = "owner/tiny-speech"
FACES = "owner/tiny-faces"
#: Long enough that a download can break off in the middle of it.
WEIGHTS = (6).to_bytes(4, "little") + random.Random(1).randbytes(900_001)
CONFIG = b'{"model_type": "tiny"}'
ONNX = b"\x08\x08" + random.Random(2).randbytes(5_000)

CONTENTS: Mapping[str, Mapping[str, bytes]] = {
    SPEECH: {"config.json": CONFIG, "model.bin": WEIGHTS, "vocabulary.txt": "가\na\n".encode()},
    FACES: {"onnx/find.onnx": ONNX},
}


def pinned(path: str, content: bytes) -> ModelFile:
    """A file of which everything is known."""
    return ModelFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def speech() -> Model:
    """Three files in CTranslate2's layout, all pinned."""
    return Model(
        key="tiny-speech",
        role="speech",
        format="ctranslate2",
        repository=SPEECH,
        revision=REVISION,
        licence="MIT",
        licence_source="https://example.com/licence",
        commercial=True,
        files=tuple(pinned(path, content) for path, content in CONTENTS[SPEECH].items()),
    )


def faces() -> Model:
    """One ONNX file, pinned."""
    return Model(
        key="tiny-faces",
        role="faces_detect",
        format="onnx",
        repository=FACES,
        revision=REVISION,
        licence="Apache-2.0",
        licence_source="https://example.com/licence",
        commercial=True,
        files=(pinned("onnx/find.onnx", ONNX),),
    )


def unpinned(model: Model) -> Model:
    """The same with nothing known."""
    return dataclasses.replace(
        model, revision="", files=tuple(ModelFile(path=file.path) for file in model.files)
    )


def text(contents: Mapping[str, bytes]) -> Model:
    """A model that ships pickles, pinned but for what comes out of their conversion."""
    return Model(
        key="tiny-text",
        role="text",
        format="safetensors",
        repository="owner/tiny-text",
        revision=REVISION,
        licence="MIT",
        licence_source="https://example.com/licence",
        commercial=True,
        dimensions=8,
        files=tuple(pinned(path, content) for path, content in contents.items()),
        conversion=Conversion(
            name="bge-m3-safetensors",
            inputs=("pytorch_model.bin", "sparse_linear.pt", "colbert_linear.pt"),
            outputs=(ModelFile(path="model.safetensors"), ModelFile(path="heads.safetensors")),
        ),
    )


def registry(*models: Model) -> Registry:
    """Both profiles use all of them."""
    default = Profile(default={model.role: model.key for model in models})
    return Registry(profiles={"cpu": default, "gpu": default}, models=models)


def write_registry(path: Path, *models: Model) -> Path:
    """A registry file."""
    path.write_text(dumps(registry(*models)))
    return path


def fill(hub: StandIn) -> StandIn:
    """Publish the tiny models."""
    hub.files = {name: dict(files) for name, files in CONTENTS.items()}
    return hub
