"""The artifact codec: exact, deterministic, safe on hostile bytes."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common import artifacts, domain
from common.artifacts import decode, encode
from common.errors import ContractError


@dataclass(frozen=True, kw_only=True)
class Inner:
    text: str
    ratio: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Everything:
    count: int
    flag: bool
    ratio: float
    text: str
    mode: Literal["a", "b", 3]
    key: UUID
    path: Path
    blob: bytes
    array: npt.NDArray[np.float32]
    small: npt.NDArray[np.uint8]
    perhaps: Inner | None
    items: tuple[Inner, ...]
    pair: tuple[int, bytes]
    missing: npt.NDArray[np.float32] | None


@dataclass(frozen=True, kw_only=True)
class Blobs:
    blobs: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Unsupported:
    value: list[int]


def same(left: Any, right: Any) -> bool:
    """Equality that looks into arrays."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    if is_dataclass(left):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


_text = st.text(st.characters(codec="utf-8"))
_float = st.floats(allow_nan=False, allow_infinity=False)
_float32 = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)
_inner = st.builds(Inner, text=_text, ratio=_float)
_everything = st.builds(
    Everything,
    count=st.integers(-(2**63), 2**63 - 1),
    flag=st.booleans(),
    ratio=_float,
    text=_text,
    mode=st.sampled_from(["a", "b", 3]),
    key=st.uuids(),
    path=st.builds(Path, st.sampled_from(["a.mp4", "/tmp/비디오.mkv"])),
    blob=st.binary(),
    array=_float32,
    small=npst.arrays(np.uint8, 3),
    perhaps=st.none() | _inner,
    items=st.lists(_inner, max_size=3).map(tuple),
    pair=st.tuples(st.integers(0, 9), st.binary(max_size=3)),
    missing=st.none() | _float32,
)


@given(_everything)
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_is_decoded(value: Everything) -> None:
    """Decoding gives the value back, and encoding that again gives the same bytes."""
    data = encode(value)
    back = decode(Everything, data)
    assert same(value, back)
    assert encode(back) == data


@given(st.integers(0, 3))
@settings(max_examples=4, deadline=None)
def test_the_largest_domain_type_survives(scenes: int) -> None:
    """Index rows, which nest all forms, come back with their arrays."""
    rows = domain.IndexRows(
        index_version="v",
        duration_ms=9,
        text_model="t",
        image_model="i",
        scenes=tuple(_scene(i) for i in range(scenes)),
    )
    assert same(decode(domain.IndexRows, encode(rows)), rows)


def _scene(ordinal: int) -> domain.SceneRow:
    segment = domain.Segment(start_ms=0, end_ms=1, text="빨간 차", language="ko")
    return domain.SceneRow(
        scene_id=UUID(int=ordinal),
        ordinal=ordinal,
        start_ms=0,
        end_ms=1,
        transcript=(segment,),
        languages=("ko",),
        screen_text=(),
        tags=(),
        terms=(domain.Term(source="screen", term="차", weight=1.0),),
        text_vector=None if ordinal % 2 else np.ones(1024, np.float32),
        frame_times_ms=(0,),
        frame_vectors=np.ones((1, 1152), np.float32),
        best_frame_ms=0,
    )


def _example(**changes: Any) -> Everything:
    value = Everything(
        count=1,
        flag=True,
        ratio=0.5,
        text="t",
        mode="a",
        key=UUID(int=1),
        path=Path("p"),
        blob=b"blob",
        array=np.zeros((2, 3), np.float32),
        small=np.zeros(2, np.uint8),
        perhaps=None,
        items=(),
        pair=(1, b"2"),
        missing=None,
    )
    return replace(value, **changes)


def test_decoded_arrays_are_writable_copies() -> None:
    """An array of an artifact can be handed to libraries that want to own it."""
    assert decode(Everything, encode(_example())).array.flags.writeable


def test_members_open_with_ordinary_tools() -> None:
    """Arrays are .npy files and the value is JSON in a plain ZIP."""
    with zipfile.ZipFile(io.BytesIO(encode(_example()))) as archive:
        value = json.loads(archive.read("value.json"))
        array = np.load(io.BytesIO(archive.read(value["array"]["npy"])), allow_pickle=False)
    assert value["text"] == "t"
    assert array.shape == (2, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"count": True},
        {"count": 1.0},
        {"count": 2**63},
        {"ratio": float("nan")},
        {"ratio": "1"},
        {"text": "\ud800"},
        {"text": b"t"},
        {"mode": "c"},
        {"mode": True},
        {"key": "not a uuid"},
        {"array": np.zeros(2, np.float64)},
        {"array": np.full(2, np.inf, np.float32)},
        {"array": [1.0]},
        {"items": [Inner(text="", ratio=0.0)]},
        {"pair": (1, b"2", 3)},
        {"perhaps": "x"},
    ],
    ids=repr,
)
def test_a_value_of_the_wrong_type_is_not_encoded(changes: dict[str, Any]) -> None:
    """A stage that returns something else than it declares is found where it happens."""
    with pytest.raises((TypeError, ValueError)):
        encode(_example(**changes))


def test_unsupported_types_are_named() -> None:
    """A new artifact type with a list field fails at its first test, not in production."""
    with pytest.raises(TypeError, match="list"):
        encode(Unsupported(value=[1]))


def _rewrite(**changes: Any) -> bytes:
    """The example's archive with parts of its JSON replaced."""
    with zipfile.ZipFile(io.BytesIO(encode(_example()))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["value.json"] = json.dumps(json.loads(members["value.json"]) | changes).encode()
    return _pack(members)


def _pack(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 1.5},
        {"count": 2**70},
        {"count": None},
        {"flag": 1},
        {"ratio": float("inf")},
        {"ratio": 10**400},
        {"text": "\udc00"},
        {"text": None},
        {"mode": "z"},
        {"key": "zz"},
        {"blob": "nothing.bin"},
        {"blob": 3},
        {"array": {"npy": "00001.npy", "shape": [3, 2]}},
        {"array": {"npy": "00001.npy", "shape": [-2, -3]}},
        {"array": {"npy": "00001.npy", "shape": [2**62, 2**62]}},
        {"array": {"npy": "00000.bin", "shape": [2, 3]}},
        {"array": {}},
        {"array": None},
        {"items": {}},
        {"pair": [1]},
        {"extra": 1},
        {"perhaps": {"text": "x"}},
    ],
    ids=repr,
)
def test_a_forged_value_is_refused(changes: dict[str, Any]) -> None:
    """Nothing but a value of the expected type comes out of a forged archive."""
    with pytest.raises(ContractError, match="artifact_corrupt"):
        decode(Everything, _rewrite(**changes))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    """Bytes that are no archive end in one error, whatever the library raises."""
    with pytest.raises(ContractError, match="artifact_corrupt"):
        decode(Everything, data)


_EXAMPLE = encode(_example())


@given(st.integers(0, len(_EXAMPLE) - 1), st.integers(1, 255))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_flipped_byte_is_an_error_or_harmless(position: int, flip: int) -> None:
    """Damage anywhere raises the one error or leaves a value of the type; nothing else escapes."""
    damaged = bytearray(_EXAMPLE)
    damaged[position] ^= flip
    with contextlib.suppress(ContractError):
        assert isinstance(decode(Everything, bytes(damaged)), Everything)


def test_compressed_members_are_refused() -> None:
    """A zip bomb does not get to inflate."""
    members = {"value.json": b'{"blobs":[]}', "00000.bin": bytes(10_000_000)}
    with pytest.raises(ContractError):
        decode(Blobs, _pack(members, zipfile.ZIP_DEFLATED))


def test_deep_nesting_is_refused() -> None:
    """JSON nested beyond Python's recursion limit is an error, not a crash."""
    with pytest.raises(ContractError):
        decode(Blobs, _pack({"value.json": b"[" * 200_000}))


def test_limits_are_enforced_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """An artifact beyond the limits is neither made nor read."""
    value = Blobs(blobs=(b"x" * 100, b"y" * 100))
    data = encode(value)
    for name, limit in (("MAX_MEMBERS", 2), ("MAX_JSON_BYTES", 5)):
        with monkeypatch.context() as patch:
            patch.setattr(artifacts, name, limit)
            with pytest.raises(ValueError, match="JSON"):
                encode(value)
            with pytest.raises(ContractError):
                decode(Blobs, data)


def test_keys_name_the_run_the_stage_and_its_version() -> None:
    """A re-upload, another stage or a new version of it never shares a key."""
    run = domain.RunRef(
        user_id=uuid4(), run_id=uuid4(), video_id=uuid4(), generation=7, lane="media"
    )
    key = artifacts.artifact_key(run, "scene_detect", 2)
    assert key == f"artifacts/{run.user_id}/{run.video_id}/7/scene_detect@2/artifact.zip"
