"""Export the query encoders, and put all models of a profile into a bucket.

`python -m gpu_jobs.models.mirror --profile gpu --dir DIR [--bucket BUCKET]`

Runs after `make models`, on a machine with torch. Workers and the search function whose settings
name the bucket fetch from there what they need (`common.model_mirror`). Without a bucket only the
encoders are exported, which is all that a local cloud needs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from google.cloud.storage import Client
from rich.console import Console

from common import encoders, model_files, model_mirror, registry
from common.encoders.onnx_files import MANIFEST
from common.errors import HeimdexError
from common.index_version import index_version
from common.storage import ObjectStore, Signers
from gpu_jobs.models.export import Kind, be_quiet, export_text_tower

_TOWERS: Final[Mapping[str, Kind]] = {"text": "bge-m3", "image": "siglip"}
Models = Mapping[str, registry.Model]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    console = Console()
    be_quiet()
    try:
        models = registry.load().profile(
            options.profile, choose=options.choose, cleared=options.choose
        )
        for model in models.values():
            model_files.verify(model, registry.model_directory(options.dir, model))
        with console.status("exporting the query encoders, which takes minutes"):
            exported = list(export(models, options.dir))
        for place in exported or ["nothing: the query encoders are there"]:
            console.print(f"exported {place}", highlight=False)
        if options.bucket:
            version = index_version(options.profile, choose=options.choose)
            store = ObjectStore(Client(), signers=_no_signers())
            count = push(models, options.dir, store, options.bucket, version)
            console.print(f"{count} files of {version} are in gs://{options.bucket}")
    except HeimdexError as error:
        console.print(f"Error: {error.detail or error}", highlight=False, soft_wrap=True)
        return 1
    return 0


def export(models: Models, directory: Path) -> Iterator[str]:
    """Export the text towers that are not there yet.

    Args:
        models: of a profile, verified.
        directory: of all models.

    Yields:
        The path of each tower as it is done, below `directory`.

    Raises:
        ConfigError: a checkpoint cannot be exported, or the export differs from it.
    """
    for role, kind in _TOWERS.items():
        model = models[role]
        place = encoders.tower_path(model)
        if (directory / place / MANIFEST).is_file():
            continue
        (directory / place).parent.mkdir(parents=True, exist_ok=True)
        export_text_tower(
            kind,
            registry.model_directory(directory, model),
            directory / place,
            name=model.key,
            revision=model.revision if model.is_pinned else "",
        )
        yield place


def push(
    models: Models, directory: Path, store: model_mirror.Bucket, bucket: str, version: str
) -> int:
    """Put the models and their towers into a bucket; returns how many files."""
    return model_mirror.push(store, bucket, version, directory, _paths(models, directory))


def _paths(models: Models, directory: Path) -> Collection[str]:
    paths = [
        (registry.model_directory(directory, model) / file.path).relative_to(directory).as_posix()
        for model in models.values()
        for file in model.kept
    ]
    for role in _TOWERS:
        tower = directory / encoders.tower_path(models[role])
        paths += [p.relative_to(directory).as_posix() for p in tower.rglob("*") if p.is_file()]
    return paths


def _no_signers() -> Signers:
    def refuse() -> object:
        raise NotImplementedError("nothing is signed here")

    return Signers(upload=refuse, download=refuse)  # type: ignore[arg-type]  # never called


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gpu_jobs.models.mirror", description=__doc__)
    parser.add_argument("--profile", required=True, choices=("cpu", "gpu"))
    parser.add_argument("--dir", required=True, type=Path, help="that `make models` filled")
    parser.add_argument("--bucket", default="", help="to put the models into")
    parser.add_argument(
        "--choose", action="append", default=[], help="key of a selectable model; may be repeated"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
