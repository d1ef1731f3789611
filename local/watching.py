"""Commands that look at the running local cloud: its logs and its figures."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from local import logs, stats
from local.address import running_cloud


def add_commands(commands: Any, shared: argparse.ArgumentParser) -> None:
    """`stats` and `logs`."""
    figures = commands.add_parser(
        "stats", parents=[shared], help="users, videos, stage times, backlog, search latency, cost"
    )
    figures.set_defaults(command=_stats)
    logged = commands.add_parser(
        "logs", parents=[shared], help="what all functions and jobs logged; --json as it is"
    )
    logged.add_argument(
        "--video", default="", help="only of this video's trace, from its upload on"
    )
    logged.set_defaults(command=_logs)


def add_logs(parser: argparse.ArgumentParser) -> None:
    """`--logs`: how they are shown while the cloud runs."""
    parser.add_argument(
        "--logs",
        choices=("pretty", "json", "none"),
        default="pretty",
        help="how the logs of all functions and jobs are shown (default: %(default)s)",
    )


@contextmanager
def shown_logs(how: str, directory: Path, console: Console) -> Iterator[None]:
    """Print what is logged during the body.

    Args:
        how: "pretty", "json" or "none".
        directory: of the log files.
        console: leaves colours out where there is no terminal, or NO_COLOR is set.
    """

    def tell(line: logs.LogLine) -> None:
        if how == "json":
            console.out(line.raw, highlight=False)
        elif not line.is_routine:
            console.print(logs.render(line), highlight=False, soft_wrap=True)

    if how == "none":
        yield
        return
    follower = logs.Follower(directory, tell)
    follower.start()
    try:
        yield
    finally:
        follower.stop()


def _stats(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], int]:
    directory = (options.state / "cloud").resolve()
    if running_cloud(directory) is None:
        raise RuntimeError(
            "no local cloud is running on this state directory; start one in another terminal "
            "with: python -m local up"
        )
    figures = stats.collect(directory)
    if not options.json:
        stats.show(console, figures)
    return stats.plain(figures), 0


def _logs(options: argparse.Namespace, console: Console) -> tuple[None, int]:
    lines = logs.read(options.state / "cloud" / "logs")
    of_video = {x.trace for x in lines if (x.fields or {}).get("video_id") == options.video}
    for line in lines:
        if options.video and line.trace not in of_video - {""}:
            continue
        if options.json:
            print(line.raw)
        else:
            console.print(logs.render(line), highlight=False, soft_wrap=True)
    return None, 0
