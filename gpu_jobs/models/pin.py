"""Fill in what nobody has pinned yet; never change what somebody has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date

from common.model_files import Seen
from common.registry import Conversion, Model, ModelFile, Registry
from gpu_jobs.models.fetch import Fetcher
from gpu_jobs.models.hub import FetchError, Hub, Published


def pin(model: Model, hub: Hub, fetcher: Fetcher, *, today: date) -> Model:
    """Fetch a model and note its revision, hashes and lengths where they are empty.

    Args:
        model: of the registry; what is pinned in it is verified as ever.
        hub: that is believed for the rest.
        fetcher: from the same hub.
        today: for the note of who pinned it.

    Raises:
        FetchError: it cannot be fetched, is not what is pinned already, or is not what the hub
            says of it.
    """
    if model.is_pinned:
        fetcher.fetch(model)
        return model
    published = None if model.supplied else hub.published(model.repository, model.revision)
    revision = model.revision or (published.revision if published else "")
    located = dataclasses.replace(model, revision=revision)
    inputs_known = all(file.sha256 for file in model.files if file.path in model.inputs)
    fetched = fetcher.fetch(located, again=not inputs_known)
    if published is not None:
        _compare(model, fetched.seen, published)
    return dataclasses.replace(
        located,
        files=tuple(_filled(file, fetched.seen) for file in model.files),
        conversion=_filled_conversion(model.conversion, fetched.seen),
        pinned_by=_pinned_by(model, hub.endpoint, today),
    )


def replaced(registry: Registry, model: Model) -> Registry:
    """The registry with one model in place of the one of the same key."""
    models = tuple(model if old.key == model.key else old for old in registry.models)
    return dataclasses.replace(registry, models=models)


def _compare(model: Model, seen: Mapping[str, Seen], published: Published) -> None:
    """Ask a second witness: what the hub's index says of the files that came from it."""
    for file in model.files:
        found = seen.get(file.path)
        if found is None:
            continue
        sha256 = published.sha256.get(file.path, found.sha256)
        size_bytes = published.size_bytes.get(file.path, found.size_bytes)
        if (found.sha256, found.size_bytes) != (sha256, size_bytes):
            raise FetchError(
                f"{model.key}/{file.path} is not what the hub's own index says ({size_bytes} "
                f"bytes, SHA-256 {sha256}); nothing was pinned. Delete it and run again"
            )


def _filled(file: ModelFile, seen: Mapping[str, Seen]) -> ModelFile:
    found = seen.get(file.path)
    if found is None:
        return file
    return dataclasses.replace(
        file,
        sha256=file.sha256 or found.sha256,
        size_bytes=file.size_bytes or found.size_bytes,
    )


def _filled_conversion(
    conversion: Conversion | None, seen: Mapping[str, Seen]
) -> Conversion | None:
    if conversion is None:
        return None
    outputs = tuple(_filled(file, seen) for file in conversion.outputs)
    return dataclasses.replace(conversion, outputs=outputs)


def _pinned_by(model: Model, endpoint: str, today: date) -> str:
    source = "files supplied by the operator" if model.supplied else endpoint
    filled = f"make models-pin on {today.isoformat()} from {source}"
    return f"{model.pinned_by}; the rest: {filled}" if model.pinned_by else filled
