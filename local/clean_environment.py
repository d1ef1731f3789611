"""A virtual environment with what a lock file names and nothing else, made without a network.

Its packages are links to those installed here, each checked against the lock's version. So a
process in it misses what its requirements miss, as it would when deployed; what it does not show
is whether the index has the files (`pip install` in the deep tests does).
"""

from __future__ import annotations

import sys
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker

from common.errors import ConfigError
from local.sbom import Requirement, read_lock


def make(directory: Path, lock: Path) -> Path:
    """Make the environment; returns its interpreter.

    Args:
        directory: new; becomes the environment.
        lock: a requirements file with `==` everywhere.

    Raises:
        ConfigError: a locked package is not installed here, or in another version.
    """
    venv.create(directory, symlinks=True, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site_packages = directory / "lib" / version / "site-packages"
    for package in _wanted(lock):
        _link(package, site_packages)
    return directory / "bin" / "python"


def _wanted(lock: Path) -> Iterator[Requirement]:
    for package in read_lock(lock):
        if not package.marker or Marker(package.marker).evaluate():
            yield package


def _link(package: Requirement, site_packages: Path) -> None:
    try:
        installed = metadata.distribution(package.name)
    except metadata.PackageNotFoundError as error:
        raise ConfigError(f"{package.name} is not installed: make setup") from error
    if installed.version != package.version:
        raise ConfigError(f"{package.name} is {installed.version}, locked is {package.version}")
    for file in installed.files or ():
        # Scripts lie outside, and start another interpreter; compiled files name other folders.
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        target = site_packages.joinpath(*file.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(str(installed.locate_file(file)))
