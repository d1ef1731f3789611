"""Models in a bucket: put there once, and fetched by every worker and function that starts.

Objects are named by their content (`files/{sha256}`), so that profiles share them and none is ever
replaced; a manifest per index version (`manifests/{name}.json`) says which file goes where.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Protocol

from common import log
from common.config import Settings
from common.errors import ConfigError, NotFoundError
from common.index_version import index_version
from common.model_files import sha256_of

if TYPE_CHECKING:
    from common.storage import ObjectInfo

#: One stream from Cloud Storage to a machine is slower than its network.
_AT_ONCE: Final = 8
_HEX_DIGITS: Final = frozenset("0123456789abcdef")


class Bucket(Protocol):
    """What `common.storage.ObjectStore` does for a mirror."""

    def read(self, bucket: str, name: str) -> bytes:
        """The content; raises NotFoundError."""

    def download(self, bucket: str, name: str, path: Path) -> None:
        """The content into a file; raises NotFoundError."""

    def write(
        self, bucket: str, name: str, data: bytes, *, content_type: str, effect: str
    ) -> ObjectInfo:
        """Store the content."""

    def upload(
        self, bucket: str, name: str, path: Path, *, content_type: str, effect: str
    ) -> ObjectInfo:
        """Store a file's content unless it is there."""


@dataclass(frozen=True, kw_only=True)
class MirroredFile:
    """One file of a mirror."""

    #: Below the directory of the models, with "/".
    path: str
    sha256: str
    size_bytes: int


def push(store: Bucket, bucket: str, name: str, root: Path, paths: Iterable[str]) -> int:
    """Put files of a directory into the bucket, and the manifest last.

    Args:
        store: writes objects.
        bucket: of the models.
        name: of the manifest: the index version.
        root: directory of the models.
        paths: of the files, below `root`.

    Returns:
        How many files the manifest lists.
    """
    files = [_describe(root, path) for path in sorted(set(paths))]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda file: _upload(store, bucket, root, file), files):
            pass
    manifest = json.dumps({"files": [asdict(file) for file in files]}, indent=1)
    store.write(
        bucket,
        _manifest(name),
        manifest.encode(),
        content_type="application/json",
        effect="models.manifest",
    )
    return len(files)


def pull(
    store: Bucket,
    bucket: str,
    name: str,
    root: Path,
    *,
    below: str = "",
    without: str | None = None,
) -> None:
    """Fetch the files of a manifest that are not there yet, several at once, and verify those.

    A file that is there already is known by its length; whoever loads it verifies it.

    Args:
        store: reads objects.
        bucket: of the models.
        name: of the manifest: the index version.
        root: directory of the models; made if missing.
        below: only files whose path starts with it.
        without: none whose path starts with it.

    Raises:
        ConfigError: there is no such manifest, it cannot be read, or a file is not what it says.
        TransientError: Cloud Storage did not answer.
    """
    files = [
        file
        for file in _read(store, bucket, name)
        if file.path.startswith(below) and not (without and file.path.startswith(without))
    ]
    missing = [file for file in files if not _is_there(root, file)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda file: _download(store, bucket, root, file), missing):
            pass
    log.event("models.pulled", files=len(missing), size_bytes=sum(f.size_bytes for f in missing))


def fetch(settings: Settings, *, below: str = "", without: str | None = None) -> None:
    """Fetch what the settings' profile needs, if they name a bucket.

    Args:
        settings: name bucket, directory, profile and choice of models.
        below: as for `pull`.
        without: as for `pull`.

    Raises:
        ConfigError, TransientError: as `pull`.
    """
    if not settings.models_bucket:
        return
    # Only who fetches pays for the client library at start-up.
    from common.storage import ObjectStore

    version = index_version(settings.profile, choose=settings.chosen_models)
    store = ObjectStore.connect(settings)
    try:
        directory = Path(settings.models_dir)
        pull(store, settings.models_bucket, version, directory, below=below, without=without)
    finally:
        store.close()


def _manifest(name: str) -> str:
    return f"manifests/{name}.json"


def _object(file: MirroredFile) -> str:
    return f"files/{file.sha256}"


def _describe(root: Path, path: str) -> MirroredFile:
    whole = root / path
    return MirroredFile(path=path, sha256=sha256_of(whole), size_bytes=whole.stat().st_size)


def _upload(store: Bucket, bucket: str, root: Path, file: MirroredFile) -> None:
    store.upload(
        bucket,
        _object(file),
        root / file.path,
        content_type="application/octet-stream",
        effect="models.upload",
    )


def _read(store: Bucket, bucket: str, name: str) -> Sequence[MirroredFile]:
    try:
        document: Any = json.loads(store.read(bucket, _manifest(name)))
        files = [MirroredFile(**entry) for entry in document["files"]]
    except NotFoundError as error:
        raise ConfigError(
            f"the models of {name} are not in gs://{bucket}; mirror them with: "
            "python -m gpu_jobs.models.mirror"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"the manifest of {name} in gs://{bucket} cannot be read") from error
    for file in files:
        _check(file)
    return files


def _check(file: MirroredFile) -> None:
    """A manifest may name nothing outside of the directory."""
    path = PurePosixPath(file.path)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ConfigError(f"a manifest names {file.path!r}")
    if len(file.sha256) != 64 or not set(file.sha256) <= _HEX_DIGITS:
        raise ConfigError(f"a manifest has no hash for {file.path!r}")


def _is_there(root: Path, file: MirroredFile) -> bool:
    path = root / file.path
    return path.is_file() and path.stat().st_size == file.size_bytes


def _download(store: Bucket, bucket: str, root: Path, file: MirroredFile) -> None:
    path = root / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    unverified = path.with_name(f"{path.name}.unverified")
    try:
        store.download(bucket, _object(file), unverified)
        if (found := sha256_of(unverified)) != file.sha256:
            raise ConfigError(f"{file.path}: sha256 {found}, expected {file.sha256}")
        unverified.replace(path)
    except NotFoundError as error:
        raise ConfigError(
            f"{file.path} is not in gs://{bucket}; mirror the models again"
        ) from error
    finally:
        unverified.unlink(missing_ok=True)
