"""Commands of `python -m local`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from local import present, watching
from local.address import CloudAddress, running_cloud
from local.client import ApiError, Client, Subtitles, sign_in
from local.cloud import LOCAL_TIER, Cloud
from local.demo import DemoRequest, run_demo, search_summary
from local.environment import ModelChoice
from local.progress import follow, upload_bar

_DEFAULT_STATE = Path(os.environ.get("HEIMDEX_STATE", ".heimdex"))
_PASSWORD = "a local password"
_LANGUAGES = ("ko", "en")


class UsageError(Exception):
    """Something the person at the keyboard can put right."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    # With --json, standard output carries the object alone and people read standard error.
    console = Console(stderr=options.json)
    command: Callable[[argparse.Namespace, Console], tuple[Any, int]] = options.command
    try:
        with interruptible():
            result, status = command(options, console)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    except (UsageError, ApiError, TimeoutError, RuntimeError, OSError) as error:
        # Codes stand in brackets, which must not be taken for markup.
        console.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        if options.json:
            _print_json({"error": {"code": _code(error), "message": _message(error)}})
        return 1
    if options.json and result is not None:
        _print_json(result)
    return status


def _print_json(result: Any) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _code(error: Exception) -> str:
    return error.code if isinstance(error, ApiError) else "local_error"


def _message(error: Exception) -> str:
    return error.message if isinstance(error, ApiError) else str(error)


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    add_state(shared)
    shared.add_argument(
        "--json", action="store_true", help="one JSON object on standard output, words on stderr"
    )
    user = argparse.ArgumentParser(add_help=False)
    user.add_argument(
        "--user", default="you@example.com", help="local account to act as (default: %(default)s)"
    )

    models = argparse.ArgumentParser(add_help=False)
    add_models(models)

    parser = argparse.ArgumentParser(
        prog="python -m local", description="Heimdex on this machine, without a cloud account."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser(
        "up", parents=[shared, user, models], help="run the local cloud until Ctrl-C"
    )
    up.add_argument("--port", type=int, default=8080, help="of the API (default: %(default)s)")
    up.add_argument(
        "--tier",
        choices=("free", "pro", "enterprise"),
        default=LOCAL_TIER,
        help="of every account: free has the limits of the free plan (default: %(default)s)",
    )
    watching.add_logs(up)
    up.set_defaults(command=_up)

    demo = commands.add_parser(
        "demo", parents=[shared, models], help="the whole way, once: upload, index, search, preview"
    )
    demo.add_argument("--video", type=Path, help="your own video instead of the sample")
    _add_subtitles(demo)
    demo.add_argument("--query", action="append", default=[], help="may be repeated")
    demo.set_defaults(command=_demo)

    token = commands.add_parser("token", parents=[shared, user], help="print a fresh ID token")
    token.set_defaults(command=_token)

    upload = commands.add_parser("upload", parents=[shared, user], help="upload and index a video")
    upload.add_argument("file", type=Path)
    _add_subtitles(upload)
    upload.add_argument("--no-wait", action="store_true", help="do not wait for the index")
    upload.set_defaults(command=_upload)

    status = commands.add_parser("status", parents=[shared, user], help="where a video is")
    status.add_argument("video_id")
    status.set_defaults(command=_status)

    search = commands.add_parser("search", parents=[shared, user], help="find a moment")
    search.add_argument("query")
    search.add_argument("--mode", choices=("hybrid", "semantic", "keyword"), default="hybrid")
    search.set_defaults(command=_search)

    watching.add_commands(commands, shared)
    return parser


def add_state(parser: argparse.ArgumentParser) -> None:
    """`--state`: where everything is kept."""
    parser.add_argument(
        "--state",
        type=Path,
        default=_DEFAULT_STATE,
        help="directory that holds all state; may be deleted (default: %(default)s)",
    )


def add_models(parser: argparse.ArgumentParser) -> None:
    """`--profile` and `--models`: what the local cloud works with."""
    parser.add_argument(
        "--profile",
        choices=("offline", "cpu", "gpu"),
        default="offline",
        help="which models to work with; cpu and gpu need `make models PROFILE=…` first "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--models", type=Path, help="where they are (default: models in the state directory)"
    )


def _add_subtitles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--subtitles",
        type=subtitles_argument,
        action="append",
        default=[],
        metavar="FILE[:LANGUAGE]",
        help=".srt or .vtt; the language is taken from the name (talk.ko.srt) or guessed from the "
        "script if not given; may be repeated",
    )


def subtitles_argument(value: str) -> Subtitles:
    """`talk.ko.srt`, `talk.srt:ko` or `talk.srt` (Hangul in it means Korean)."""
    name, _, language = value.rpartition(":")
    if not name or not language.isalpha():
        name, language = value, ""
    path = Path(name)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {name}")
    return Subtitles(path=path, language=language or _language_of(path))


def _language_of(path: Path) -> str:
    suffixes = [suffix.strip(".").lower() for suffix in path.suffixes[:-1]]
    for language in _LANGUAGES:
        if language in suffixes:
            return language
    text = path.read_bytes().decode("utf-8", errors="ignore")
    return "ko" if any("가" <= character <= "힣" for character in text) else "en"


def _up(options: argparse.Namespace, console: Console) -> tuple[None, int]:
    with console.status("") as status:
        cloud = Cloud(
            options.state / "cloud",
            port=options.port,
            models=model_choice(options),
            tier=options.tier,
            on_step=lambda step: status.update(f"starting the local cloud: {step}"),
        )
        cloud.start()
    try:
        address = cloud.address
        token = sign_in(address.endpoints, options.user, _PASSWORD)
        facts = {
            "api_url": address.api_url,
            "openapi_url": f"{address.api_url}/v1/openapi.json",
            "identity_url": address.identity_url,
            "storage_url": address.storage_url,
            "pubsub_endpoint": address.pubsub_endpoint,
            "run_endpoint": address.run_endpoint,
            "database_url": address.database_url,
            "logs": str((options.state / "cloud" / "logs").resolve()),
            "user": options.user,
            "token": token,
        }
        if options.json:
            _print_json(facts)
        for name, value in facts.items():
            console.print(f"{name:16} {value}", soft_wrap=True, highlight=False)
        console.print("\nRunning until Ctrl-C.")
        with watching.shown_logs(options.logs, cloud.logs, console):
            threading.Event().wait()
    finally:
        console.print("Shutting down.")
        cloud.stop()
    return None, 0


def _demo(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], int]:
    if options.video is not None and not options.video.is_file():
        raise UsageError(f"there is no file {options.video}")
    result, all_found = run_demo(
        DemoRequest(
            state=options.state,
            video=options.video,
            subtitles=options.subtitles,
            queries=options.query,
            models=model_choice(options),
        ),
        console,
    )
    return result, 0 if all_found else 1


def model_choice(options: argparse.Namespace) -> ModelChoice:
    """What `--profile` and `--models` ask for.

    Raises:
        UsageError: the models are not there.
    """
    if options.profile == "offline":
        return ModelChoice()
    directory = options.models or options.state / "models"
    if not directory.is_dir():
        raise UsageError(
            f"there are no models in {directory}; fetch them with: "
            f"make models PROFILE={options.profile}"
        )
    return ModelChoice(profile=options.profile, directory=directory)


def _token(options: argparse.Namespace, console: Console) -> tuple[dict[str, str], int]:
    token = sign_in(_address(options).endpoints, options.user, _PASSWORD)
    if not options.json:
        print(token)
    return {"token": token, "user": options.user}, 0


def _upload(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], int]:
    if not options.file.is_file():
        raise UsageError(f"there is no file {options.file}")
    client = _client(options)
    bar, on_progress = upload_bar(console, options.file.name)
    with bar:
        video_id = client.upload(options.file, options.subtitles, on_progress=on_progress)
    console.print(f"video {video_id}")
    if options.no_wait:
        return client.status(video_id), 0
    status = follow(client, video_id, console, timeout_s=3_600.0)
    if status["state"] == "failed":
        present.failure(console, status)
        return status, 1
    return status, 0


def _status(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], int]:
    status = _client(options).status(options.video_id)
    present.video(console, status)
    return status, 0


def _search(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], int]:
    answer = _client(options).search(options.query, mode=options.mode)
    present.search(console, options.mode, options.query, answer)
    return search_summary(options.query, answer), 0


def _client(options: argparse.Namespace) -> Client:
    endpoints = _address(options).endpoints
    return Client(endpoints, sign_in(endpoints, options.user, _PASSWORD))


def _address(options: argparse.Namespace) -> CloudAddress:
    address = running_cloud(options.state / "cloud")
    if address is None:
        raise UsageError(
            "no local cloud is running on this state directory; start one in another terminal "
            "with: python -m local up"
        )
    return address


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGINT end a command the way Ctrl-C does: everything it started is stopped.

    SIGINT too, for a shell starts what it runs in the background with that signal ignored.
    """
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, signal.default_int_handler) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
