"""Exports the text towers to ONNX, for the query encoders of the search function.

`python -m gpu_jobs.models.export --kind bge-m3 --from CHECKPOINT --to DIRECTORY`
`python -m gpu_jobs.models.export --kind siglip --from CHECKPOINT --to DIRECTORY`

A step of mirroring the models (`gpu_jobs.models.mirror`), which passes the revision it has
verified. What is written is described in `common.encoders.onnx_files`. Before it counts, it is
loaded as search loads it and compared with the checkpoint; a tower that differs is not written.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from common import log
from common.encoders.onnx_files import ENCODER, FORMAT, GRAPH, MANIFEST, TOKENIZER
from common.encoders.onnx_text import OnnxBgeM3, OnnxSiglipText, prepare
from common.errors import ConfigError
from common.model_files import sha256_of

Kind = Literal["bge-m3", "siglip"]
Floats = npt.NDArray[np.float32]

#: FlagEmbedding's default for queries (`query_max_length`).
_QUERY_TOKENS: Final = 512
#: The length of text that SigLIP was trained with (big_vision, configs/proj/image_text).
_SIGLIP_LENGTH: Final = 64
#: Whatever a tokenizer's settings say: it was trained so (big_vision, pp/ops_text).
_PADDING_SIDE: Final = "right"
#: A tower that is further from the checkpoint is not exported.
_MIN_COSINE: Final = 0.9999
_SAMPLES: Final = (
    "man crying",
    "빨간 차 밤에",
    "민지가 손 흔드는 장면을 찾아 줘",
    "A red car drives through the CITY at night; it's raining!",
    "Ünïcödé — naïve café, 42 % off! 夜の車",
    "the quick brown fox jumps over the lazy dog " * 20,
)
#: SigLIP 1's file.
SENTENCEPIECE: Final = "spiece.model"
_REVISION: Final = re.compile("[0-9a-f]{40}|")
#: Torch 2.13 warns of its own call while it exports; there is nothing to change on this side.
_TORCH_WARNING: Final = r"`isinstance\(treespec, LeafSpec\)` is deprecated"


def export_text_tower(
    kind: Kind, directory: Path, out: Path, *, name: str = "", revision: str = ""
) -> None:
    """Export one tower; replaces `out` once everything is there and right.

    Args:
        kind: "bge-m3": ids and attention mask (n, length) to dense (n, width), L2-normalised, and
            the tokens' weights (n, length); "siglip": ids (n, 64) to vector (n, width),
            L2-normalised.
        directory: the checkpoint: config.json, model.safetensors, the tokenizer's files, and
            heads.safetensors for BGE-M3.
        out: is made, with its parents.
        name: of the model in the index version; by default "bge-m3", or the directory's name.
        revision: 40 hex digits if the caller has verified the files of that pinned revision, or
            "". A quantised tower is only ever used on pinned weights.

    Raises:
        ConfigError: the checkpoint is not usable, or what was exported does not give its vectors.
    """
    if not _REVISION.fullmatch(revision):
        raise ConfigError(f"revision {revision!r}: expected 40 hex digits, or none")
    source = _source(kind, directory)
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        write = _write_bge_m3 if kind == "bge-m3" else _write_siglip
        samples = write(directory, partial, name)
        files = {path.name: sha256_of(path) for path in sorted(partial.iterdir())}
        manifest = {
            "format": FORMAT,
            "kind": kind,
            "revision": revision,
            "source": source,
            "files": files,
        }
        _write_json(partial / MANIFEST, manifest)
        _compare(kind, partial, samples)
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.event("models.exported", kind=kind, revision=revision)


def _source(kind: Kind, directory: Path) -> dict[str, str]:
    """The files that decide the vectors, with their hashes."""
    needed = ["config.json", "model.safetensors"]
    needed += ["heads.safetensors"] if kind == "bge-m3" else []
    for name in needed:
        if not (directory / name).is_file():
            raise ConfigError(
                f"{directory} has no {name}: run `make models PROFILE=cpu` (or gpu) first"
            )
    tokenizer = [each for each in (TOKENIZER, SENTENCEPIECE) if (directory / each).is_file()]
    return {name: sha256_of(directory / name) for name in (*needed, *tokenizer)}


def _write_bge_m3(directory: Path, out: Path, name: str) -> Floats:
    """Write graph, tokenizer and encoder.json; returns the checkpoint's vectors of the samples."""
    import torch
    from safetensors.torch import load_file
    from transformers import XLMRobertaModel

    model, unloaded = XLMRobertaModel.from_pretrained(
        directory,
        add_pooling_layer=False,
        local_files_only=True,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    _refuse_random(directory, unloaded)
    heads = load_file(directory / "heads.safetensors")
    sparse = torch.nn.Linear(model.config.hidden_size, 1)
    sparse.load_state_dict({"weight": heads["sparse.weight"], "bias": heads["sparse.bias"]})

    class Tower(torch.nn.Module):  # type: ignore[misc]  # torch is not read by mypy
        """Ids and mask to a normalised vector per text and a weight per token."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.sparse = sparse

        def forward(self, input_ids: Any, attention_mask: Any) -> tuple[Any, Any]:
            states = self.model(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            dense = torch.nn.functional.normalize(states[:, 0], dim=-1)
            return dense, torch.relu(self.sparse(states)).squeeze(-1)

    tower = Tower().eval()
    tokenizer = _tokenizer(directory)
    tokenizer.backend_tokenizer.save(str(out / TOKENIZER))
    positions = model.config.max_position_embeddings - model.config.pad_token_id - 1
    limit = min(_QUERY_TOKENS, positions)
    batch = tokenizer(
        list(_SAMPLES), padding=True, truncation=True, max_length=limit, return_tensors="pt"
    )
    inputs = (batch["input_ids"], batch["attention_mask"])
    _export(tower, inputs, ["input_ids", "attention_mask"], ["dense", "sparse"], out)
    special = ("cls_token_id", "eos_token_id", "pad_token_id", "unk_token_id")
    encoder = {
        "name": name or "bge-m3",
        "width": model.config.hidden_size,
        "max_tokens": limit,
        "pad_id": tokenizer.pad_token_id,
        "special_ids": sorted({getattr(tokenizer, each) for each in special}),
    }
    _write_json(out / ENCODER, encoder)
    with torch.inference_mode():
        return np.asarray(tower(*inputs)[0].numpy(), dtype=np.float32)


def _write_siglip(directory: Path, out: Path, name: str) -> Floats:
    """Write graph, tokenizer and encoder.json; returns the checkpoint's vectors of the samples."""
    import torch
    from transformers import SiglipModel

    model, unloaded = SiglipModel.from_pretrained(
        directory,
        local_files_only=True,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    _refuse_random(directory, unloaded)

    class Tower(torch.nn.Module):  # type: ignore[misc]  # torch is not read by mypy
        """Ids to a normalised vector per text. There is no mask: SigLIP was trained without."""

        def __init__(self) -> None:
            super().__init__()
            self.text_model = model.text_model

        def forward(self, input_ids: Any) -> Any:
            pooled = self.text_model(input_ids=input_ids).pooler_output
            return torch.nn.functional.normalize(pooled, dim=-1)

    tower = Tower().eval()
    tokenizer = _tokenizer(directory)
    version = _siglip_version(directory)
    texts = [prepare(text, version=version) for text in _SAMPLES]
    batch = tokenizer(
        texts,
        padding="max_length",
        padding_side=_PADDING_SIDE,
        truncation=True,
        max_length=_SIGLIP_LENGTH,
        return_tensors="pt",
    )
    _write_fast_tokenizer(tokenizer, directory, out)
    _export(tower, (batch["input_ids"],), ["input_ids"], ["vector"], out)
    encoder = {
        "name": name or directory.name,
        "width": model.config.text_config.projection_size,
        "version": version,
        "length": _SIGLIP_LENGTH,
        "pad_id": tokenizer.pad_token_id,
        "pad_token": tokenizer.pad_token,
        "padding_side": _PADDING_SIDE,
        "logit_scale": model.logit_scale.exp().item(),
        "logit_bias": model.logit_bias.item(),
    }
    _write_json(out / ENCODER, encoder)
    with torch.inference_mode():
        return np.asarray(tower(batch["input_ids"]).numpy(), dtype=np.float32)


def _export(
    tower: Any, inputs: Sequence[Any], names: list[str], outputs: list[str], out: Path
) -> None:
    """Write model.onnx and model.onnx.data; batch and, with a mask, length are free."""
    import onnx
    import torch

    free = torch.export.Dim.DYNAMIC
    shape = {0: free, 1: free} if len(inputs) == 2 else {0: free}
    # It warns that torchvision's operators are missing; there are none in a text tower.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.filterwarnings("ignore", _TORCH_WARNING, FutureWarning)
        program = torch.onnx.export(
            tower,
            tuple(inputs),
            dynamo=True,
            input_names=names,
            output_names=outputs,
            dynamic_shapes=tuple(shape for _ in inputs),
            verbose=False,
        )
        # Beside the graph: one protobuf message may not exceed 2 GiB.
        program.save(str(out / GRAPH), external_data=True)
    graph = onnx.load(out / GRAPH, load_external_data=False)
    _forget_where_it_was_made(graph)
    onnx.save(graph, out / GRAPH)


def _forget_where_it_was_made(graph: Any) -> None:
    """Drop the exporter's notes: stack traces with this machine's paths, half of the file."""
    del graph.metadata_props[:]
    del graph.graph.metadata_props[:]
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.graph.input, *graph.graph.output, *graph.graph.value_info):
        del value.metadata_props[:]
    for tensor in graph.graph.initializer:
        del tensor.metadata_props[:]


def _compare(kind: Kind, out: Path, expected: Floats) -> None:
    """Refuse a tower that, as search loads it, differs from the checkpoint."""
    if kind == "bge-m3":
        vectors = OnnxBgeM3(out).encode(_SAMPLES)
    else:
        vectors = OnnxSiglipText(out).encode_texts(_SAMPLES)
    cosines = (vectors[:, : expected.shape[1]] * expected).sum(axis=1)
    if not cosines.min() >= _MIN_COSINE:
        raise ConfigError(
            f"exported {kind} tower differs from its checkpoint: cosine {cosines.min():.6f} for "
            f"{_SAMPLES[int(cosines.argmin())][:40]!r}, expected {_MIN_COSINE}"
        )


def _refuse_random(directory: Path, unloaded: dict[str, Any]) -> None:
    """Transformers initialises at random what a checkpoint lacks."""
    if missing := sorted(unloaded["missing_keys"]) + sorted(unloaded["mismatched_keys"]):
        raise ConfigError(f"{directory}/model.safetensors lacks {missing[0]}: not this model")


def _tokenizer(directory: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory, local_files_only=True, trust_remote_code=False)


def _write_fast_tokenizer(tokenizer: Any, directory: Path, out: Path) -> None:
    """The tokenizer as set up by transformers; SigLIP 1's is SentencePiece's own."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None and (directory / SENTENCEPIECE).is_file():
        backend = _of_sentencepiece(directory / SENTENCEPIECE)
    if backend is None:
        raise ConfigError(f"{directory} has neither {TOKENIZER} nor {SENTENCEPIECE}")
    backend.save(str(out / TOKENIZER))


def _of_sentencepiece(path: Path) -> Any:
    """A Unigram model with T5's conventions as search can read it; `_compare` would see a flaw."""
    from sentencepiece import sentencepiece_model_pb2
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    proto: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made at run time
    proto.ParseFromString(path.read_bytes())
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    end = proto.trainer_spec.eos_piece
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=proto.trainer_spec.unk_id))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, proto.trainer_spec.eos_id)]
    )
    tokenizer.add_special_tokens([AddedToken(end, special=True)])
    return tokenizer


def _siglip_version(directory: Path) -> int:
    """1 or 2: both are `SiglipModel`s, but only the first has a tokenizer of SigLIP's own."""
    path = directory / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return 1 if str(settings.get("tokenizer_class", "")).startswith("SiglipTokenizer") else 2


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def be_quiet() -> None:
    """No progress bars and remarks of transformers between the lines of a command."""
    from transformers.utils import logging as remarks

    remarks.disable_progress_bar()
    remarks.set_verbosity_error()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m gpu_jobs.models.export", description=__doc__)
    parser.add_argument("--kind", required=True, choices=get_args(Kind))
    parser.add_argument("--from", required=True, type=Path, dest="directory")
    parser.add_argument("--to", required=True, type=Path, dest="out")
    parser.add_argument("--name", default="", help="of the model, in the index version")
    parser.add_argument("--revision", default="", help="pinned, if its files were verified")
    asked = parser.parse_args(arguments)
    be_quiet()
    export_text_tower(
        asked.kind, asked.directory, asked.out, name=asked.name, revision=asked.revision
    )


if __name__ == "__main__":
    main()
