"""Text towers exported from the tiny checkpoints, once per test process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from gpu_jobs.models.export import Kind, export_text_tower
from tests.checkpoints import siglip, xlm_roberta

#: Stands for a revision whose files were verified.
REVISION = "0123456789abcdef0123456789abcdef01234567"

_directory = tempfile.TemporaryDirectory(prefix="heimdex-test-towers-")


@cache
def checkpoint(kind: Kind) -> Path:
    """A directory with a tiny checkpoint; not to be changed."""
    path = Path(_directory.name) / "checkpoints" / kind
    path.mkdir(parents=True)
    if kind == "bge-m3":
        xlm_roberta.write(path)
    else:
        siglip.write(path)
    return path


@cache
def exported(kind: Kind) -> Path:
    """A directory with the checkpoint's text tower; not to be changed."""
    path = Path(_directory.name) / "query" / kind
    export_text_tower(kind, checkpoint(kind), path, revision=REVISION)
    return path
