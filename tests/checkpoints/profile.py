"""The whole cpu profile on tiny checkpoints: a directory as `make models` fills it, and a registry.

The registry is the real one with the files of the tiny checkpoints in place of the published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from common import registry
from common.registry import Model, ModelFile, Registry, Role
from tests.checkpoints import faces, recogniser, siglip, whisper, xlm_roberta

PROFILE: Final = "cpu"


def write(directory: Path) -> Registry:
    """Write the models of the cpu profile below `directory`; returns their registry.

    Nothing in it is pinned: tiny checkpoints are not the same bytes with every version of the
    libraries that make them.
    """
    published = registry.load()
    models = published.profile(PROFILE)
    for role, make in _MAKERS.items():
        place = registry.model_directory(directory, models[role])
        place.mkdir(parents=True)
        make(place)
    tiny = {model.key: _described(model, directory) for model in models.values()}
    return replace(
        published, models=tuple(tiny.get(model.key, model) for model in published.models)
    )


def _described(model: Model, directory: Path) -> Model:
    place = registry.model_directory(directory, model)
    names = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())
    files = tuple(ModelFile(path=name) for name in names)
    return replace(model, files=files, conversion=None)


def _speech(place: Path) -> None:
    place.rmdir()  # the converter wants to make it
    whisper.write_random(place)


def _screen_text(place: Path) -> None:
    recogniser.write(place)


def _detector(place: Path) -> None:
    faces.detector(place)


def _recogniser(place: Path) -> None:
    faces.recogniser(place, dimensions=128)


_MAKERS: Final[Mapping[Role, Callable[[Path], None]]] = {
    "speech": _speech,
    "text": xlm_roberta.write,
    "image": siglip.write,
    "screen_text": _screen_text,
    "faces_detect": _detector,
    "faces_embed": _recogniser,
}
