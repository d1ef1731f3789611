"""Fetch, check and pin the models: `python -m gpu_jobs.models --help`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal

from common import registry as registry_module
from common.errors import ConfigError
from common.registry import REGISTRY_FILE, Model, Registry
from gpu_jobs.models import pin
from gpu_jobs.models.fetch import Fetcher
from gpu_jobs.models.hub import DEFAULT_ENDPOINT, FetchError, Hub
from gpu_jobs.models.progress import reporter
from gpu_jobs.models.table import page

_STOPPED = 130
_EPILOG = """\
examples:
  python -m gpu_jobs.models --profile cpu          fetch what the cpu profile uses
  python -m gpu_jobs.models --profile gpu --check  hash again what is there, mend what is not right
  python -m gpu_jobs.models --only bge-m3          fetch one model
  python -m gpu_jobs.models --profile gpu --pin    fill in what the registry does not pin yet
  python -m gpu_jobs.models --profile gpu --check-pins   exit 1 if anything is not pinned

HF_ENDPOINT names another hub or mirror (default: https://huggingface.co). A download that was
stopped goes on where it was. Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console()
    try:
        with _interruptible():
            registry = registry_module.load(options.registry)
            if options.table:
                sys.stdout.write(page(registry))
                return 0
            if options.profile is None and not options.only:
                parser.error("say which models: --profile cpu, --profile gpu or --only KEY")
            return _run(registry, options, console)
    except KeyboardInterrupt:
        _say(console, "Stopped. Run the same command again to go on.")
        return _STOPPED
    except (FetchError, ConfigError, OSError) as error:
        text = error.detail if isinstance(error, ConfigError) else str(error)
        _say(console, f"Error: {text}")
        return 1


def _run(registry: Registry, options: argparse.Namespace, console: Console) -> int:
    models = _models(registry, options)
    if options.check_pins:
        gaps = [model for model in models if not model.is_pinned]
        for model in gaps:
            _say(console, f"{model.key}: not pinned: {', '.join(model.unpinned)}")
        if not gaps:
            _say(console, f"All {len(models)} models are pinned.")
        return 1 if gaps else 0
    with Hub(os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT) as hub, reporter(console) as bars:
        fetcher = Fetcher(hub, options.dir, bars, full=options.check)
        fetcher.check_space(models)
        downloaded_bytes = 0
        for model in models:
            if options.pin:
                pinned = pin.pin(model, hub, fetcher, today=datetime.now(UTC).date())
                registry = pin.replaced(registry, pinned)
                _write(options.registry, registry_module.dumps(registry))
            else:
                downloaded_bytes += fetcher.fetch(model).downloaded_bytes
    return _conclude(models, downloaded_bytes, options, console)


def _conclude(
    models: Sequence[Model], downloaded_bytes: int, options: argparse.Namespace, console: Console
) -> int:
    if options.pin:
        _say(console, f"Pinned in {options.registry}. Look at the change and commit it.")
        return 0
    got = f"{decimal(downloaded_bytes)} downloaded" if downloaded_bytes else "nothing to download"
    _say(console, f"{len(models)} complete in {options.dir}: {got}.")
    loose = ", ".join(model.key for model in models if not model.is_pinned)
    if loose:
        _say(console, f"Not fully pinned, so partly taken on trust: {loose} (see docs/models.md).")
    return 0


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _models(registry: Registry, options: argparse.Namespace) -> list[Model]:
    """What is asked for, past the licence gate."""
    if options.only:
        models = [registry.model(key) for key in options.only]
    else:
        models = list(
            registry.profile(
                options.profile, choose=options.choose, cleared=options.cleared
            ).values()
        )
    for model in models:
        registry_module.refuse_uncleared(model, options.cleared)
    return models


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gpu_jobs.models",
        description="Fetch, check and pin the models of the cpu and gpu profiles.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", choices=("cpu", "gpu"), help="whose models")
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(".heimdex/models"),
        help="where the models are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY",
        help="only this model; may be repeated",
    )
    parser.add_argument(
        "--choose",
        action="append",
        default=[],
        metavar="KEY",
        help="this model instead of the profile's own for its role; may be repeated",
    )
    parser.add_argument(
        "--cleared",
        action="append",
        default=[],
        metavar="KEY",
        help="you hold a licence for this model, which is not cleared for commercial use",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="hash every file again, not only what has changed"
    )
    what.add_argument(
        "--pin",
        action="store_true",
        help="fill empty revisions and hashes of the registry; pinned ones are never changed",
    )
    what.add_argument(
        "--check-pins", action="store_true", help="exit 1 if a model is not pinned; fetch nothing"
    )
    what.add_argument("--table", action="store_true", help="print docs/models.md")
    parser.add_argument(
        "--registry", type=Path, default=REGISTRY_FILE, help="another registry file"
    )
    return parser


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGINT both end the command as Ctrl-C does, also in the background of a shell."""
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, signal.default_int_handler) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
