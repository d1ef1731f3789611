"""Makes int8 text towers for search, and measures what they lose.

`python -m gpu_jobs.models.quantise --from TOWER [--to TOWER/quantised] [--measure]`

The int8 tower is smaller and faster on a CPU, but how much it loses depends on the weights, so it
is off until this has been run with `--measure` on real, pinned weights and the measurement is good
enough: the least cosine with float32 at least 0.99, recall@20 at most half a point lower. Search
then uses it with HEIMDEX_QUANTISED_ENCODERS=true, and refuses it otherwise.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common import log
from common.encoders import onnx_files
from common.encoders.onnx_files import GRAPH, MANIFEST, QUANTISED, QUANTISED_RECORD
from common.encoders.onnx_text import OnnxBgeM3, OnnxSiglipText
from common.errors import ConfigError
from common.model_files import sha256_of

Floats = npt.NDArray[np.float32]

#: Pairs of sentences that mean the same: Korean, a tab, English. Everyday scenes of home videos.
SENTENCES: Final = Path(__file__).with_name("sentences.tsv")
_TOP: Final = 20


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An int8 tower against the float32 tower it was made of, on the same sentences."""

    sentences: int
    #: Of a sentence's two vectors.
    min_cosine: float
    mean_cosine: float
    #: Share of sentences whose other half is among the 20 nearest, for either tower.
    recall: float
    recall_fp32: float
    #: Share of the float32 tower's 20 nearest that are among the int8 tower's, for information.
    overlap: float


def quantise(directory: Path, out: Path) -> None:
    """Write an int8 copy of an exported tower, not yet measured.

    Matrices of weights and the table of words become int8, with a scale per column where the
    format allows it; activations are quantised while it runs.

    Args:
        directory: an exported tower (see `common.encoders.onnx_files`).
        out: is replaced; search looks in `directory/quantised`.

    Raises:
        ConfigError: the tower is not there or not what its manifest says.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    tower = onnx_files.open_tower(directory, _kind(directory))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    quantize_dynamic(
        tower.graph,
        out / GRAPH,
        op_types_to_quantize=["MatMul", "Gather"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=True,
    )
    for path in out.iterdir():
        path.chmod(0o644)  # the weights come out readable by their maker alone
    files = {path.name: sha256_of(path) for path in sorted(out.iterdir())}
    record = {
        "revision": tower.revision,
        "source": dict(tower.source),
        "files": files,
        "measured": None,
    }
    _write(out, record)
    log.event("models.quantised", kind=tower.kind)


def measure(directory: Path, out: Path, sentences: Path = SENTENCES) -> Measurement:
    """Measure the int8 tower in `out` and write that to its quantised.json.

    Args:
        directory: the float32 tower.
        out: written by `quantise`.
        sentences: pairs, one a line, separated by a tab.

    Raises:
        ConfigError: a tower or the sentences are not usable.
    """
    record = _read(out / QUANTISED_RECORD)
    pairs = read_pairs(sentences)
    kind = _kind(directory)
    measured = compare(
        _encode(kind, directory, pairs), _encode(kind, directory, pairs, out / GRAPH)
    )
    _write(out, record | {"measured": asdict(measured), "sentences": sha256_of(sentences)})
    log.event("models.quantisation_measured", kind=kind, **asdict(measured))
    return measured


def compare(exact: Floats, quantised: Floats) -> Measurement:
    """Compare the vectors of the same sentences.

    Args:
        exact: (2 n, width) float32, L2-normalised; row i and row n + i are a pair.
        quantised: the same by the int8 tower.
    """
    cosines = (exact * quantised).sum(axis=1)
    near, near_exact = _nearest(quantised), _nearest(exact)
    shared = [len(set(a) & set(b)) / len(a) for a, b in zip(near, near_exact, strict=True)]
    return Measurement(
        sentences=len(exact),
        min_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        recall=_recall(near),
        recall_fp32=_recall(near_exact),
        overlap=float(np.mean(shared)),
    )


def read_pairs(path: Path) -> list[str]:
    """All first halves, then all second halves.

    Raises:
        ConfigError: a line is not a pair, or there are too few to measure anything.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    pairs = [line.split("\t") for line in lines]
    if any(len(pair) != 2 for pair in pairs) or 2 * len(pairs) <= 2 * _TOP:
        raise ConfigError(f"{path}: expected more than {_TOP} lines of two sentences and a tab")
    return [first for first, _ in pairs] + [second for _, second in pairs]


def _nearest(vectors: Floats) -> npt.NDArray[np.int64]:
    """(n, 20) rows nearest to each row, without itself."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :_TOP]


def _recall(nearest: npt.NDArray[np.int64]) -> float:
    count = len(nearest)
    other = (np.arange(count) + count // 2) % count
    return float((nearest == other[:, None]).any(axis=1).mean())


def _encode(kind: str, directory: Path, texts: Sequence[str], graph: Path | None = None) -> Floats:
    if kind == "bge-m3":
        return OnnxBgeM3(directory, graph=graph).encode(texts)
    return OnnxSiglipText(directory, graph=graph).encode_texts(texts)


def _kind(directory: Path) -> str:
    return str(_read(directory / MANIFEST).get("kind"))


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read: run `python -m gpu_jobs.models.export` first"
        ) from error
    return dict(value)


def _write(out: Path, record: dict[str, Any]) -> None:
    (out / QUANTISED_RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m gpu_jobs.models.quantise", description=__doc__)
    parser.add_argument("--from", required=True, type=Path, dest="directory")
    parser.add_argument("--to", type=Path, dest="out", help="by default `quantised` below --from")
    parser.add_argument(
        "--measure", action="store_true", help="compare with float32, and record it"
    )
    parser.add_argument("--sentences", type=Path, default=SENTENCES, help="pairs to measure on")
    asked = parser.parse_args(arguments)
    out = asked.out or asked.directory / QUANTISED
    quantise(asked.directory, out)
    if asked.measure:
        measure(asked.directory, out, asked.sentences)


if __name__ == "__main__":
    main()
