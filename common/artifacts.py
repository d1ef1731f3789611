"""Artifacts: what a stage leaves behind, as one self-contained file, and where it is kept.

The file is a ZIP of stored (never compressed) members: `value.json` holds the value, bytes and
arrays are members of their own, so an artifact can be opened with any tool. Equal values give
equal bytes. Decoding is directed by the expected type alone, never by what the file says, and is
safe on hostile bytes: the media lane's sandbox hands its results over in this form.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Final, TypeVar
from uuid import UUID

from common.artifact_values import Members, dump, load
from common.domain import RunRef
from common.errors import ContractError

T = TypeVar("T")

#: Far above what a ten-minute video gives; a file beyond it is refused unread.
MAX_BYTES: Final = 512 * 1024 * 1024
#: JSON takes many times its size in memory once parsed.
MAX_JSON_BYTES: Final = 32 * 1024 * 1024
#: Stays below 65,535, where ZIP would need its 64-bit form.
MAX_MEMBERS: Final = 60_000
_VALUE = "value.json"
#: Everything that the standard library raises on damaged ZIP, JSON or UTF-8.
_DECODE_ERRORS = (
    zipfile.BadZipFile,
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)


def artifact_key(run: RunRef, stage: str, version: int) -> str:
    """Object name of a stage's artifact; the same for every attempt."""
    return f"artifacts/{run.user_id}/{run.folder}/{run.generation}/{stage}@{version}/artifact.zip"


def sidecar_key(user_id: UUID, video_id: UUID, scene_id: UUID) -> str:
    """Object name of a scene's sidecar."""
    return f"sidecars/{user_id}/{video_id}/{scene_id}.json"


def digest(data: bytes) -> str:
    """SHA-256 in hex, as the ledger records it."""
    return hashlib.sha256(data).hexdigest()


def encode(value: object) -> bytes:
    """Turn a frozen dataclass into the bytes of its artifact.

    Args:
        value: a dataclass whose fields are int, float, str, bool, None, tuple, Literal, UUID, Path,
            bytes, ndarray, dataclasses of the same, or `X | None`.

    Raises:
        TypeError: a field does not hold what it declares (a bug in the stage).
        ValueError: a number is not finite or beyond 64 bits, or the artifact is too large.
    """
    members = Members()
    tree = dump(type(value), value, members)
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > MAX_JSON_BYTES or len(members.contents) >= MAX_MEMBERS:
        name = type(value).__name__
        raise ValueError(f"{name}: {len(text)} bytes of JSON, {len(members.contents)} members")
    return _zip({_VALUE: text} | members.contents)


def decode(cls: type[T], data: bytes) -> T:
    """Read an artifact of type `cls`.

    Raises:
        ContractError: `artifact_corrupt`; the bytes are not an artifact of that type.
    """
    try:
        members = _unzip(data)
        tree = json.loads(members[_VALUE], parse_constant=_no_constant)
        value: T = load(cls, tree, members)
    except _DECODE_ERRORS as error:
        detail = f"{cls.__name__}: {type(error).__name__}"
        raise ContractError("artifact_corrupt", detail) from error
    return value


def _zip(members: dict[str, bytes]) -> bytes:
    if sum(map(len, members.values())) > MAX_BYTES:
        raise ValueError("the artifact is too large")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Else the platform's, and equal values would differ.
            archive.writestr(info, content)
    return buffer.getvalue()


def _unzip(data: bytes) -> dict[str, bytes]:
    if len(data) > MAX_BYTES + MAX_JSON_BYTES:
        raise ValueError("too large")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        _check_members(infos, len(data))
        return {info.filename: archive.read(info) for info in infos}


def _check_members(infos: list[zipfile.ZipInfo], size_bytes: int) -> None:
    names = {info.filename: info for info in infos}
    if len(infos) > MAX_MEMBERS or len(names) != len(infos):
        raise ValueError("too many members, or two of one name")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError("a member is compressed")
    # Members may overlap in a hostile file; their sum is what would be held in memory.
    if sum(info.file_size for info in infos) > size_bytes:
        raise ValueError("the members are larger than the file")
    if names[_VALUE].file_size > MAX_JSON_BYTES:
        raise ValueError("value.json is too large")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")
