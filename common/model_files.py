"""A model's files on disk: whether they are all there, and are what the registry pins.

Hashing gigabytes takes longer than loading them. A stamp beside the files remembers what was
hashed; while length and time of change are the same, it stands for the hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from common.errors import ConfigError
from common.registry import DERIVED, Model, ModelFile

#: The stamp, in each model's directory.
STAMP: Final = ".verified.json"
#: Ends of names of what a download leaves while it is not complete.
PARTIAL_SUFFIXES: Final = (".part", ".part.etag")
_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A file as it was when it was hashed."""

    sha256: str
    size_bytes: int
    modified_ns: int


_STAMPS: Final = TypeAdapter(dict[str, Seen])


def verify(model: Model, directory: Path, *, full: bool = False) -> None:
    """Let only a complete and right model through; a worker calls this before it loads one.

    Args:
        model: of the registry.
        directory: of its files.
        full: hash every file, whatever the stamp says.

    Raises:
        ConfigError: a file is missing, is not what is pinned, or does not belong there.
    """
    stamp = {} if full else read_stamp(directory)
    seen: dict[str, Seen] = {}
    for file in model.kept:
        found = look(file, directory, stamp)
        if found is None:
            state = "is not what is pinned" if (directory / file.path).is_file() else "is missing"
            raise ConfigError(f"{model.key}: {file.path} {state} in {directory}. {_REMEDY}")
        seen[file.path] = found
    extra = strangers(model, directory)
    if extra:
        raise ConfigError(
            f"{model.key}: {', '.join(extra)} in {directory} is not in the registry. Delete it"
        )
    if seen != stamp:
        write_stamp(directory, seen)


_REMEDY: Final = "Run make models PROFILE=cpu (or gpu)"


def look(
    file: ModelFile,
    directory: Path,
    stamp: Mapping[str, Seen],
    *,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Seen | None:
    """A file as it is, hashed unless the stamp vouches for it; None if missing or not as pinned.

    Args:
        file: which.
        directory: of the model.
        stamp: what was seen before.
        on_bytes: is told how many bytes were hashed.
    """
    path = directory / file.path
    if not path.is_file():
        return None
    status = path.stat()
    if file.size_bytes and status.st_size != file.size_bytes:
        return None
    known = stamp.get(file.path)
    unchanged = known and (known.size_bytes, known.modified_ns) == (
        status.st_size,
        status.st_mtime_ns,
    )
    if known and unchanged:
        found = known
    else:
        found = Seen(
            sha256=sha256_of(path, on_bytes=on_bytes),
            size_bytes=status.st_size,
            modified_ns=status.st_mtime_ns,
        )
    return found if found.sha256 == (file.sha256 or found.sha256) else None


def strangers(model: Model, directory: Path) -> tuple[str, ...]:
    """Paths of files in a model's directory that the registry does not list.

    A loader might take them for the model's. What was derived on this machine, and what is still
    being downloaded, is no stranger; a pickle that waits for its conversion is one.
    """
    listed = {file.path for file in model.kept}
    found = (path for path in directory.rglob("*") if not path.is_dir())
    relative = sorted(path.relative_to(directory).as_posix() for path in found)
    return tuple(
        path
        for path in relative
        if path not in listed
        and path != STAMP
        and not path.startswith(f"{DERIVED}/")
        and not path.endswith(PARTIAL_SUFFIXES)
    )


def sha256_of(path: Path, *, on_bytes: Callable[[int], None] = lambda count: None) -> str:
    """Hash a file block by block."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()


def read_stamp(directory: Path) -> dict[str, Seen]:
    """What was seen before; empty if there is no stamp or it cannot be read."""
    try:
        return _STAMPS.validate_json((directory / STAMP).read_bytes())
    except (OSError, ValidationError):
        return {}


def write_stamp(directory: Path, seen: Mapping[str, Seen]) -> None:
    """Remember what was seen; a directory that cannot be written is hashed again next time."""
    text = json.dumps({path: asdict(one) for path, one in sorted(seen.items())}, indent=1)
    partial = directory / f"{STAMP}.{os.getpid()}.part"
    try:
        partial.write_text(text)
        partial.replace(directory / STAMP)
    except OSError:
        return
