"""Values of an artifact by their declared types: dataclass ⇄ JSON tree plus binary members."""

from __future__ import annotations

import dataclasses
import functools
import io
import math
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt

_INT64 = 2**63


class Members:
    """Collects the bytes that do not go into the JSON, under running names."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def add(self, suffix: str, content: bytes) -> str:
        """Keep `content`; returns the name to refer to it by."""
        name = f"{len(self.contents):05d}.{suffix}"
        self.contents[name] = content
        return name


def dump(kind: Any, value: Any, members: Members) -> Any:
    """Turn a value of type `kind` into a JSON tree; large parts go to `members`.

    Raises:
        TypeError: the value is not of its type, or the type is not supported.
        ValueError: a number is not finite or beyond 64 bits, or text is not valid Unicode.
    """
    return _codec(kind).dump(kind, value, members)


def load(kind: Any, tree: Any, members: Mapping[str, bytes]) -> Any:
    """Make a value of type `kind` of a JSON tree; nothing in the tree chooses a type.

    Raises:
        TypeError, ValueError, LookupError: the tree is not of that type.
    """
    return _codec(kind).load(kind, tree, members)


class _Codec(NamedTuple):
    dump: Callable[[Any, Any, Members], Any]
    load: Callable[[Any, Any, Mapping[str, bytes]], Any]


@functools.cache
def _codec(kind: Any) -> _Codec:
    """How values of a type are written and read."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _Codec(_dump_optional, _load_optional)
    if origin is Literal:
        return _Codec(_literal, _literal)
    if origin is tuple:
        return _Codec(_dump_tuple, _load_tuple)
    if origin is np.ndarray:
        return _Codec(_dump_array, _load_array)
    if dataclasses.is_dataclass(kind):
        return _Codec(_dump_dataclass, _load_dataclass)
    if kind not in _SIMPLE:
        raise TypeError(f"{kind} is not supported in artifacts")
    return _SIMPLE[kind]


def _expect(kind: Any, value: object, *wanted: type) -> None:
    # bool is an int to Python, but not to an artifact.
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise TypeError(f"{kind} expected, got {type(value).__name__}")


# --- one value -----------------------------------------------------------------------------------


def _boolean(kind: Any, value: Any, members: object) -> bool:
    _expect(kind, value, bool)
    return bool(value)


def _integer(kind: Any, value: Any, members: object) -> int:
    _expect(kind, value, int)
    if not -_INT64 <= value < _INT64:
        raise ValueError("the integer is beyond 64 bits")
    return int(value)


def _float(kind: Any, value: Any, members: object) -> float:
    _expect(kind, value, int, float)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("the number is not finite")
    return number


def _text(kind: Any, value: Any, members: object) -> str:
    _expect(kind, value, str)
    value.encode()  # A lone surrogate would fail much later, in the database.
    return str(value)


def _dump_by_name(kind: Any, value: Any, members: object) -> str:
    _expect(kind, value, kind)
    return _text(str, str(value), members)


def _load_by_name(kind: Any, tree: Any, members: object) -> Any:
    return kind(_text(str, tree, members))


def _dump_bytes(kind: Any, value: Any, members: Members) -> str:
    _expect(kind, value, bytes)
    return members.add("bin", value)


def _load_bytes(kind: Any, tree: Any, members: Mapping[str, bytes]) -> bytes:
    _expect(kind, tree, str)
    return members[tree]


def _literal(kind: Any, value: Any, members: object) -> Any:
    for choice in typing.get_args(kind):
        if type(choice) is type(value) and choice == value:
            return choice
    raise ValueError(f"{kind} does not allow the value")


_SIMPLE: dict[Any, _Codec] = {
    bool: _Codec(_boolean, _boolean),
    int: _Codec(_integer, _integer),
    float: _Codec(_float, _float),
    str: _Codec(_text, _text),
    bytes: _Codec(_dump_bytes, _load_bytes),
    UUID: _Codec(_dump_by_name, _load_by_name),
    Path: _Codec(_dump_by_name, _load_by_name),
}


# --- values of values ----------------------------------------------------------------------------


def _dump_optional(kind: Any, value: Any, members: Members) -> Any:
    return None if value is None else dump(_present(kind), value, members)


def _load_optional(kind: Any, tree: Any, members: Mapping[str, bytes]) -> Any:
    return None if tree is None else load(_present(kind), tree, members)


def _present(kind: Any) -> Any:
    """The X of `X | None`."""
    inner = [arg for arg in typing.get_args(kind) if arg is not types.NoneType]
    if len(inner) != 1:
        raise TypeError(f"{kind} is not supported in artifacts")
    return inner[0]


def _dump_tuple(kind: Any, value: Any, members: Members) -> list[Any]:
    _expect(kind, value, tuple)
    pairs = zip(_item_kinds(kind, len(value)), value, strict=True)
    return [dump(item_kind, item, members) for item_kind, item in pairs]


def _load_tuple(kind: Any, tree: Any, members: Mapping[str, bytes]) -> tuple[Any, ...]:
    _expect(kind, tree, list)
    kinds = _item_kinds(kind, len(tree))
    return tuple(
        load(item_kind, item, members) for item_kind, item in zip(kinds, tree, strict=True)
    )


def _item_kinds(kind: Any, count: int) -> tuple[Any, ...]:
    """The type of each item of a tuple of `count` items."""
    args = typing.get_args(kind)
    if len(args) == 2 and args[1] is Ellipsis:
        return (args[0],) * count
    if len(args) != count:
        raise ValueError(f"{kind} with {count} items")
    return args


def _dump_dataclass(kind: Any, value: Any, members: Members) -> dict[str, Any]:
    _expect(kind, value, kind)
    return {name: dump(inner, getattr(value, name), members) for name, inner in _fields(kind)}


def _load_dataclass(kind: Any, tree: Any, members: Mapping[str, bytes]) -> Any:
    _expect(kind, tree, dict)
    fields = _fields(kind)
    if tree.keys() != {name for name, _ in fields}:
        raise ValueError(f"{kind.__name__} has other fields")
    return kind(**{name: load(inner, tree[name], members) for name, inner in fields})


def types_of(cls: type) -> Mapping[str, Any]:
    """The type of each field; `common.domain` names those of arrays without importing NumPy."""
    return typing.get_type_hints(cls, localns={"np": np, "npt": npt})


@functools.cache
def _fields(cls: type) -> tuple[tuple[str, Any], ...]:
    """Names and types of a dataclass's fields, in order."""
    hints = types_of(cls)
    return tuple((field.name, hints[field.name]) for field in dataclasses.fields(cls))


# --- arrays --------------------------------------------------------------------------------------


def _dump_array(kind: Any, value: Any, members: Members) -> dict[str, Any]:
    _expect(kind, value, np.ndarray)
    dtype = _dtype(kind)
    if value.dtype != dtype:
        raise TypeError(f"{dtype} expected, got {value.dtype}")
    _require_finite(value)
    name = members.add("npy", _npy_header(dtype, value.shape) + value.tobytes())
    return {"npy": name, "shape": list(value.shape)}


def _load_array(kind: Any, tree: Any, members: Mapping[str, bytes]) -> np.ndarray[Any, Any]:
    """Read an array; its header is compared with the one expected, never parsed."""
    _expect(kind, tree, dict)
    shape = load(tuple[int, ...], tree["shape"], members)
    dtype = _dtype(kind)
    header = _npy_header(dtype, shape)
    content = members[tree["npy"]]
    if min(shape, default=0) < 0 or not content.startswith(header):
        raise ValueError("the array's header is not the expected one")
    if len(content) - len(header) != math.prod(shape) * dtype.itemsize:
        raise ValueError("the array has another size")
    array = np.frombuffer(content, dtype, offset=len(header)).reshape(shape).copy()
    _require_finite(array)
    return array


@functools.cache
def _dtype(kind: Any) -> np.dtype[Any]:
    """The little-endian dtype of an annotation like `NDArray[np.float32]`."""
    (scalar,) = typing.get_args(typing.get_args(kind)[1])
    dtype: np.dtype[Any] = np.dtype(scalar)
    return dtype.newbyteorder("<")


def _npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    layout = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, layout)
    return buffer.getvalue()


def _require_finite(array: np.ndarray[Any, Any]) -> None:
    if not np.isfinite(array).all():
        raise ValueError("the array holds a number that is not finite")
