"""The one place that opens pickles: once, offline, to turn weights into safetensors.

    python -m gpu_jobs.models.convert bge-m3-safetensors DIRECTORY

It runs in a process of its own and loads with `weights_only`, which allows tensors and nothing
else. The same input gives the same bytes, so the outcome's hash can be pinned.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from gpu_jobs.models.hub import FetchError

_REPOSITORY: Final = Path(__file__).parents[2]


def run(name: str, directory: Path) -> None:
    """Convert in a child process.

    Args:
        name: of the conversion, as in the registry.
        directory: of the inputs; the outputs are written beside them.

    Raises:
        FetchError: there is no such conversion, or it failed.
    """
    if name not in _CONVERSIONS:
        raise FetchError(f"there is no conversion {name!r}")
    done = subprocess.run(
        [sys.executable, "-m", "gpu_jobs.models.convert", name, str(directory.absolute())],
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise FetchError(f"the conversion {name} of {directory} failed: {lines[-1]}")


def refuse_unable(key: str) -> None:
    """Say before gigabytes are downloaded that they could not be converted.

    Raises:
        FetchError: torch or safetensors is not installed.
    """
    for library in ("torch", "safetensors"):
        if importlib.util.find_spec(library) is None:
            raise FetchError(
                f"{key} must be converted once, which needs {library}. Install it, or copy the "
                "converted model's directory from a machine that has it"
            )


def bge_m3(directory: Path) -> None:
    """Trunk and heads of BGE-M3.

    `model.safetensors` holds the trunk under its own names, `heads.safetensors` the tensors
    `sparse.weight` (1, hidden), `sparse.bias`, `colbert.weight` (n, hidden), `colbert.bias`.

    Raises:
        ValueError: a file does not hold what it should.
    """
    trunk = _tensors(directory / "pytorch_model.bin")
    _save(trunk, directory / "model.safetensors")
    heads = {
        f"{head}.{name}": tensor
        for head in ("sparse", "colbert")
        for name, tensor in _linear(directory / f"{head}_linear.pt").items()
    }
    _save(heads, directory / "heads.safetensors")


def _linear(path: Path) -> dict[str, Any]:
    tensors = _tensors(path)
    if sorted(tensors) != ["bias", "weight"]:
        raise ValueError(f"{path.name} is not a linear layer: {sorted(tensors)}")
    return tensors


def _tensors(path: Path) -> dict[str, Any]:
    import torch

    loaded = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(loaded, dict) or not all(
        isinstance(value, torch.Tensor) for value in loaded.values()
    ):
        raise ValueError(f"{path.name} does not hold tensors by name")
    return loaded


def _save(tensors: Mapping[str, Any], path: Path) -> None:
    """Write safetensors, sorted and without anything that differs from run to run."""
    from safetensors.torch import save_file

    part = path.with_name(path.name + ".part")
    # transformers asks for this entry before it believes the file.
    save_file(
        {name: tensors[name].detach().clone().contiguous() for name in sorted(tensors)},
        part,
        metadata={"format": "pt"},
    )
    part.replace(path)


_CONVERSIONS: Final[Mapping[str, Callable[[Path], None]]] = {"bge-m3-safetensors": bge_m3}


if __name__ == "__main__":
    _CONVERSIONS[sys.argv[1]](Path(sys.argv[2]))
