"""Bring a model's files to this machine, verified; what is there already is left alone."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.filesize import decimal

from common import model_files
from common.model_files import Seen
from common.registry import Format, Model, ModelFile, model_directory
from gpu_jobs.models import convert
from gpu_jobs.models.hub import FetchError, Hub, Location
from gpu_jobs.models.progress import Reporter

#: What a repository's newest state is called, for a model whose revision nobody has pinned.
NEWEST: Final = "main"
#: Left free on the disk.
_SPARE_BYTES: Final = 200_000_000
#: Highest version of CTranslate2's file format that is believed; its first four bytes.
_CTRANSLATE2_VERSIONS: Final = range(1, 100)
_LONGEST_HEADER_BYTES: Final = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A model that is complete."""

    directory: Path
    downloaded_bytes: int
    #: Hash and length of every file that was looked at, those included that were converted.
    seen: Mapping[str, Seen]


class Fetcher:
    """Fetches models into one directory from one hub."""

    def __init__(
        self, hub: Hub, models_dir: Path, reporter: Reporter, *, full: bool = False
    ) -> None:
        """`full` hashes everything that is there, whatever the stamps say."""
        self._hub = hub
        self._models_dir = models_dir
        self._reporter = reporter
        self._full = full

    def check_space(self, models: Iterable[Model]) -> None:
        """Refuse to start what cannot end.

        Raises:
            FetchError: the disk has too little room for what is missing.
        """
        needed = sum(_missing_bytes(model, self._models_dir) for model in models)
        free = shutil.disk_usage(_existing(self._models_dir)).free
        if needed and needed + _SPARE_BYTES > free:
            raise FetchError(
                f"{decimal(needed)} are missing and {decimal(free)} are free at "
                f"{self._models_dir}. Free some space, or name another directory with --dir"
            )

    def fetch(self, model: Model, *, again: bool = False) -> Fetched:
        """Make one model complete.

        Two at once are safe: the second waits, and finds everything there.

        Args:
            model: which.
            again: convert again even if the outcome is there, to see the inputs.

        Raises:
            FetchError: the text says what failed and what to do.
        """
        directory = model_directory(self._models_dir, model)
        with self._alone(model):
            directory.mkdir(parents=True, exist_ok=True)
            self._refuse_strangers(model, directory)
            if model.supplied:
                return self._supplied(model, directory)
            work = _Work(model, directory, self._hub, self._reporter, full=self._full)
            fetched = work.run(again=again)
            model_files.write_stamp(
                directory, {file.path: fetched.seen[file.path] for file in model.kept}
            )
            return fetched

    def _supplied(self, model: Model, directory: Path) -> Fetched:
        seen = {file.path: model_files.look(file, directory, {}) for file in model.kept}
        lacking = [path for path, one in seen.items() if one is None]
        if lacking:
            raise FetchError(
                f"{model.key} has no public download: put {', '.join(lacking)} into {directory}. "
                f"{model.note}"
            )
        found = {path: one for path, one in seen.items() if one is not None}
        model_files.write_stamp(directory, found)
        return Fetched(directory=directory, downloaded_bytes=0, seen=found)

    def _refuse_strangers(self, model: Model, directory: Path) -> None:
        strangers = set(model_files.strangers(model, directory)) - set(model.inputs)
        if strangers:
            raise FetchError(
                f"{', '.join(sorted(strangers))} in {directory} is not in the registry. Delete it"
            )

    @contextmanager
    def _alone(self, model: Model) -> Iterator[None]:
        home = self._models_dir / model.key
        home.mkdir(parents=True, exist_ok=True)
        with (home / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._reporter.say(f"{model.key}: another process is fetching it; waiting")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class _Work:
    """One model, while it is being fetched."""

    def __init__(
        self, model: Model, directory: Path, hub: Hub, reporter: Reporter, *, full: bool
    ) -> None:
        self._model = model
        self._directory = directory
        self._hub = hub
        self._reporter = reporter
        self._stamp = {} if full else model_files.read_stamp(directory)
        self._seen: dict[str, Seen] = {}
        self._downloaded_bytes = 0

    def run(self, *, again: bool) -> Fetched:
        """Fetch, convert, look again."""
        model = self._model
        outputs = model.conversion.outputs if model.conversion else ()
        made = all(self._there(file) for file in outputs) and not again
        if outputs and not made:
            convert.refuse_unable(model.key)
        for file in model.files:
            if file.path in model.inputs:
                if not made:
                    self._obtain(file)
            elif not self._there(file):
                self._obtain(file)
        if outputs and not made:
            self._convert(outputs)
        for path in model.inputs:
            (self._directory / path).unlink(missing_ok=True)
        return Fetched(
            directory=self._directory, downloaded_bytes=self._downloaded_bytes, seen=self._seen
        )

    def _there(self, file: ModelFile) -> bool:
        path = self._directory / file.path
        name = f"{self._model.key}/{file.path}"
        if path.is_file() and file.path not in self._stamp:
            self._reporter.begin(f"{name} (checking)", 0, path.stat().st_size)
        found = model_files.look(
            file, self._directory, self._stamp, on_bytes=self._reporter.advance
        )
        self._reporter.finish("")
        if found is not None:
            self._seen[file.path] = found
        return found is not None

    def _obtain(self, file: ModelFile) -> None:
        """Download one file next to its place, look at it, and move it there."""
        target = self._directory / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        name = f"{self._model.key}/{file.path}"
        before = part.stat().st_size if part.is_file() else 0
        self._hub.download(
            Location(
                repository=self._model.repository,
                revision=self._model.revision or NEWEST,
                path=file.path,
            ),
            part,
            size_bytes=file.size_bytes,
            immutable=bool(file.sha256),
            on_size=lambda done, total: self._reporter.begin(name, done, total),
            on_bytes=self._reporter.advance,
        )
        sha256 = model_files.sha256_of(part)
        if file.sha256 and sha256 != file.sha256:
            part.unlink()
            raise FetchError(
                f"{name}: what came has SHA-256 {sha256}, the registry pins {file.sha256}; it was "
                "deleted. Run the command again; if it stays, HF_ENDPOINT serves another file"
            )
        if file.path not in self._model.inputs:
            try:
                refuse_disguised(part, file.path, self._model.format)
            except FetchError:
                part.unlink()
                raise
        length = part.stat().st_size
        part.replace(target)
        self._downloaded_bytes += max(length - before, 0)
        self._seen[file.path] = Seen(
            sha256=sha256, size_bytes=length, modified_ns=target.stat().st_mtime_ns
        )
        known = "verified" if file.sha256 else "not pinned, so not verified"
        self._reporter.finish(f"{decimal(length)}, {known}")

    def _convert(self, outputs: tuple[ModelFile, ...]) -> None:
        conversion = self._model.conversion
        if conversion is None:
            return
        self._reporter.say(f"{self._model.key}: converting {', '.join(conversion.inputs)}")
        convert.run(conversion.name, self._directory)
        for file in outputs:
            found = model_files.look(file, self._directory, {})
            if found is None:
                (self._directory / file.path).unlink(missing_ok=True)
                raise FetchError(
                    f"{self._model.key}: {file.path} came out of the conversion other than pinned; "
                    "it was deleted. Use the versions of torch and safetensors of the lock"
                )
            refuse_disguised(self._directory / file.path, file.path, self._model.format)
            self._seen[file.path] = found


def refuse_disguised(path: Path, name: str, model_format: Format) -> None:
    """Refuse a file whose content is not of the format that its name promises.

    Args:
        path: of the file.
        name: that it will have.
        model_format: of its model.

    Raises:
        FetchError: it may be a pickle, or an error page.
    """
    suffix = Path(name).suffix
    honest = _CONTENTS.get(suffix)
    if suffix == ".bin" and model_format == "ctranslate2":
        honest = _is_ctranslate2
    if honest is None or not honest(path):
        raise FetchError(f"{name} does not hold what its name says; it was deleted")


def _is_ctranslate2(path: Path) -> bool:
    head = _head(path, 4)
    return len(head) == 4 and int.from_bytes(head, "little") in _CTRANSLATE2_VERSIONS


def _is_safetensors(path: Path) -> bool:
    """Length of the header, then the header in JSON. Source: the format's description."""
    head = _head(path, 9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER_BYTES


def _is_protobuf(first: bytes) -> Callable[[Path], bool]:
    return lambda path: _head(path, 1) == first


def _is_json(path: Path) -> bool:
    return _head(path, 64).lstrip()[:1] in (b"{", b"[")


def _is_text(path: Path) -> bool:
    try:
        _head(path, 1 << 16).decode()
    except UnicodeDecodeError as error:
        # The last character may be cut in two.
        return error.start >= (1 << 16) - 4
    return True


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as source:
        return source.read(count)


#: Whether a file's first bytes are of the format that its suffix promises. An ONNX file starts
#: with field 1 (the version, a number), a SentencePiece model with field 1 (the pieces).
_CONTENTS: Final[Mapping[str, Callable[[Path], bool]]] = {
    ".safetensors": _is_safetensors,
    ".onnx": _is_protobuf(b"\x08"),
    ".model": _is_protobuf(b"\x0a"),
    ".json": _is_json,
    ".txt": _is_text,
}


def _missing_bytes(model: Model, models_dir: Path) -> int:
    """What a model still needs on the disk, at its largest; files of unknown length count 0."""
    directory = model_directory(models_dir, model)
    if model.supplied:
        return 0
    outputs = model.conversion.outputs if model.conversion else ()
    made = all((directory / file.path).is_file() for file in outputs)
    needed = 0
    for file in model.files:
        path = directory / file.path
        part = path.with_name(path.name + ".part")
        if path.is_file() or (made and file.path in model.inputs):
            continue
        needed += max(file.size_bytes - (part.stat().st_size if part.is_file() else 0), 0)
    if not made:
        # What comes out of a conversion is about as long as what goes in.
        needed += sum(file.size_bytes for file in model.files if file.path in model.inputs)
    return needed


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
