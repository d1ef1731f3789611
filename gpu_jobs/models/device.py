"""Where models compute, and what to do when its memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from common import log
from common.errors import TransientError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where models compute.

    `cuda` is the first GPU, in float16.
    """

    kind: Literal["cpu", "cuda"]
    #: Compute in bfloat16 instead of float32, where the CPU has instructions for it. Measured on a
    #: Xeon with AMX: SigLIP 2 base at 3.1 instead of 1.4 images/s, cosine with float32 0.99997.
    bfloat16: bool = False

    @property
    def torch_name(self) -> str:
        """As torch calls it."""
        return "cuda:0" if self.kind == "cuda" else "cpu"


def pick() -> Device:
    """The GPU if torch sees one, or else the CPU, in the fastest precision it has."""
    import torch  # heavy: only a process that computes with it pays

    if torch.cuda.is_available():
        return Device(kind="cuda")
    able = torch.cpu.get_capabilities()
    return Device(kind="cpu", bfloat16=bool(able.get("amx_bf16") or able.get("avx512_bf16")))


def in_batches(
    items: Sequence[Any], batch_size: int, compute: Callable[[Sequence[Any]], T]
) -> list[T]:
    """Compute batch by batch; when memory runs out, once more with half the size.

    Args:
        items: what `compute` takes, in order.
        batch_size: at most so many at once.
        compute: a batch to its result.

    Returns:
        The results of the batches, in order.

    Raises:
        TransientError: `stage_failed` if memory ran out at half the size too; another worker, or
            this one with less beside it, may have enough.
    """
    results: list[T] = []
    start, size, halved = 0, max(batch_size, 1), False
    while start < len(items):
        try:
            results.append(compute(items[start : start + size]))
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if halved or size == 1:
                raise TransientError("stage_failed", "out of memory, also by half") from error
            halved, size = True, size // 2
            log.event("model.batch_halved", severity="WARNING", batch_size=size)
        else:
            start += size
            continue
        # Outside of the handler: while it runs, the error's frames keep what did not fit.
        release_memory()
    return results


def release_memory() -> None:
    """Give back what the last batch or lane left."""
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _is_out_of_memory(error: BaseException) -> bool:
    """Torch has a type of its own on a GPU; on a CPU it and CTranslate2 only have words."""
    words = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in words
        or "can't allocate memory" in words
    )
