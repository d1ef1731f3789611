"""Batches: in order, halved once when memory runs out, and given up after that."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import TransientError
from gpu_jobs.models.device import Device, in_batches, pick

pytestmark = pytest.mark.torch


class _Memory:
    """Computes batches of at most `room` items, and remembers what was asked."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        self.room = room
        self.sizes: list[int] = []
        self._error = error or RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory"
        )

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.sizes.append(len(items))
        if len(items) > self.room:
            raise self._error
        return list(items)


@given(count=st.integers(0, 50), size=st.integers(-1, 20))
def test_every_item_is_computed_once_and_in_order(count: int, size: int) -> None:
    """Whatever the batch size, the results put together are the items."""
    results = in_batches(range(count), size, list)
    assert [item for batch in results for item in batch] == list(range(count))


def test_a_batch_that_does_not_fit_is_halved_once() -> None:
    """What was computed before stays, and the rest goes on with the half."""
    memory = _Memory(room=5)
    results = in_batches(range(12), 8, memory)
    assert [item for batch in results for item in batch] == list(range(12))
    assert memory.sizes == [8, 4, 4, 4]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(MemoryError(), id="python"),
        pytest.param(RuntimeError("CUDA out of memory. Tried to allocate"), id="cuda"),
        pytest.param(RuntimeError("DefaultCPUAllocator: can't allocate memory"), id="cpu"),
    ],
)
def test_no_room_by_half_either_is_transient(error: Exception) -> None:
    """Another attempt may find more memory: it is no fault of the video."""
    memory = _Memory(room=1, error=error)
    with pytest.raises(TransientError) as failed:
        in_batches(range(8), 8, memory)
    assert failed.value.code == "stage_failed"
    assert memory.sizes == [8, 4]


def test_a_single_item_is_not_halved() -> None:
    """A batch of one that does not fit never will."""
    memory = _Memory(room=0)
    with pytest.raises(TransientError):
        in_batches([1], 1, memory)
    assert memory.sizes == [1]


def test_other_errors_are_not_swallowed() -> None:
    """Only memory is worth a smaller batch."""
    memory = _Memory(room=1, error=RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(range(4), 4, memory)
    assert memory.sizes == [4]


def test_the_machine_decides_where_to_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU if torch sees one, or else the CPU, in bfloat16 if that has instructions for it."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick() == Device(kind="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for able, bfloat16 in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert pick() == Device(kind="cpu", bfloat16=bfloat16)
    assert Device(kind="cpu").torch_name == "cpu"
    assert Device(kind="cuda").torch_name == "cuda:0"
