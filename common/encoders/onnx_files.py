"""Exported text towers on disk: what is in a directory, verified, and a session on it.

A directory is written by `gpu_jobs.models.export` and holds

    model.onnx, model.onnx.data   float32 graph and its weights
    tokenizer.json                read by the `tokenizers` library
    encoder.json                  name, widths and how a text is prepared
    manifest.json                 where it comes from, and the SHA-256 of the files above
    quantised/                    optional: an int8 graph, by `gpu_jobs.models.quantise`
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import onnxruntime
from tokenizers import Tokenizer

from common.errors import ConfigError
from common.model_files import sha256_of

FORMAT: Final = 1
GRAPH: Final = "model.onnx"
MANIFEST: Final = "manifest.json"
ENCODER: Final = "encoder.json"
TOKENIZER: Final = "tokenizer.json"
QUANTISED: Final = "quantised"
QUANTISED_RECORD: Final = "quantised.json"
#: What a quantised tower must reach against float32 on the same sentences: the least cosine, and
#: how much of recall@20 it may lose.
MIN_COSINE: Final = 0.99
MAX_RECALL_LOSS: Final = 0.005

_REVISION: Final = re.compile("[0-9a-f]{40}")
_SHA256: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ExportedTower:
    """A directory whose files are the ones its manifest lists."""

    directory: Path
    #: "bge-m3" or "siglip".
    kind: str
    #: Revision of the pinned checkpoint it was made of, or "" if that was not pinned.
    revision: str
    #: SHA-256 of the checkpoint's files, by name.
    source: Mapping[str, str]
    #: Of the graph that is used: `model.onnx`, or the one in `quantised/`.
    graph: Path
    #: The contents of encoder.json.
    encoder: Mapping[str, Any]

    def session(self, graph: Path | None = None) -> onnxruntime.InferenceSession:
        """The graph, or another one, loaded. Its `run` may be called from several threads."""
        path = graph or self.graph
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        options.inter_op_num_threads = 1
        # Threads that wait for work by spinning take the processor from the other requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library raises types of its own per cause
            raise ConfigError(f"{path} is not a graph: {_again(self.kind)}") from error

    def tokenizer(self) -> Tokenizer:
        """The tokenizer, as the reference library sets it up; it neither pads nor cuts."""
        tokenizer = Tokenizer.from_file(str(self.directory / TOKENIZER))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


def open_tower(directory: Path, kind: str, *, quantised: bool = False) -> ExportedTower:
    """Verify an exported tower.

    Args:
        directory: as described above.
        kind: that it must be of.
        quantised: use the graph in `quantised/`, which must have been measured.

    Raises:
        ConfigError: something is missing, is another model, or differs from the manifest.
    """
    manifest = _read_json(directory / MANIFEST, kind)
    files = _hashes(manifest.get("files"), directory, kind)
    if manifest.get("format") != FORMAT or manifest.get("kind") != kind:
        found = f"format {manifest.get('format')}, kind {manifest.get('kind')!r}"
        raise ConfigError(
            f"{directory / MANIFEST}: {found}; expected format {FORMAT}, kind {kind!r}. "
            f"{_again(kind)}"
        )
    needed = {TOKENIZER, ENCODER} | (set() if quantised else {GRAPH})
    if missing := sorted(needed - files.keys()):
        raise ConfigError(f"{directory / MANIFEST} lists no {missing[0]}. {_again(kind)}")
    for name, expected in files.items():
        if not quantised or name in needed:
            _verify(directory / name, expected, _again(kind))
    tower = ExportedTower(
        directory=directory,
        kind=kind,
        revision=str(manifest.get("revision", "")),
        source=_hashes(manifest.get("source"), directory, kind),
        graph=directory / GRAPH,
        encoder=_read_json(directory / ENCODER, kind),
    )
    return _quantised(tower) if quantised else tower


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _quantised(tower: ExportedTower) -> ExportedTower:
    """The same tower with its int8 graph.

    Raises:
        ConfigError: it is not there, was measured on other or unpinned weights, or loses too much.
    """
    directory = tower.directory / QUANTISED
    again = (
        f"Run `python -m gpu_jobs.models.quantise --from {tower.directory} --to {directory} "
        "--measure`, or unset HEIMDEX_QUANTISED_ENCODERS"
    )
    try:
        record = json.loads((directory / QUANTISED_RECORD).read_text(encoding="utf-8"))
        files = dict(record["files"])
        measured = record["measured"]
        same = record["source"] == dict(tower.source) and record["revision"] == tower.revision
        cosine = float(measured["min_cosine"]) if measured else 0.0
        loss = measured["recall_fp32"] - measured["recall"] if measured else 1.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{directory} has no quantised tower. {again}") from error
    if not same or GRAPH not in files:
        raise ConfigError(f"{directory} was made of other weights. {again}")
    if not measured:
        raise ConfigError(f"{directory}: nobody measured what it loses. {again}")
    if not _REVISION.fullmatch(tower.revision):
        raise ConfigError(
            f"{directory} was measured on weights that are not pinned. "
            f"Run `make models-pin`, mirror the models again, then: {again}"
        )
    # Written so that a NaN is refused too.
    if not (cosine >= MIN_COSINE and round(loss, 9) <= MAX_RECALL_LOSS):
        raise ConfigError(
            f"{directory} loses too much: least cosine {cosine:.4f} (at least {MIN_COSINE}), "
            f"recall@20 {loss:.4f} lower (at most {MAX_RECALL_LOSS}). {again}"
        )
    for name, expected in files.items():
        _verify(directory / name, expected, again)
    return ExportedTower(**(vars(tower) | {"graph": directory / GRAPH}))


def _verify(path: Path, expected: str, again: str) -> None:
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read. {again}") from error
    if found != expected:
        raise ConfigError(f"{path}: sha256 {found}, expected {expected}. {again}")


def _read_json(path: Path, kind: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read. {_again(kind)}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} is no JSON object. {_again(kind)}")
    return value


def _hashes(value: object, directory: Path, kind: str) -> dict[str, str]:
    """File names to hashes; a name never leads out of the directory."""
    valid = isinstance(value, dict) and all(
        name == Path(name).name and isinstance(digest, str) and _SHA256.fullmatch(digest)
        for name, digest in value.items()
    )
    if not isinstance(value, dict) or not valid:
        raise ConfigError(f"{directory / MANIFEST} lists no hashes. {_again(kind)}")
    return value


def _again(kind: str) -> str:
    return (
        "Run `make models PROFILE=cpu` (or gpu), which exports it, or "
        f"`python -m gpu_jobs.models.export --kind {kind} --from CHECKPOINT --to DIRECTORY`"
    )
