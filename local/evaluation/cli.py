"""Commands of `python -m local.evaluation`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from local.cli import UsageError, interruptible, model_choice
from local.client import ApiError, Client, Endpoints, sign_in
from local.cloud import started
from local.evaluation import compare, report
from local.evaluation.labels import (
    SPLITS,
    LabelError,
    Query,
    Split,
    library_digest,
    queries,
    read_queries,
    videos,
)
from local.evaluation.library import ids_by_title, index_library, searched_version
from local.evaluation.options import parser
from local.evaluation.runs import ALL, LEGS, Run, RunFileError, ask, load, save

_EMAIL, _PASSWORD = "evaluation@example.com", "an evaluation password"
_EXPECTED = (
    UsageError,
    LabelError,
    RunFileError,
    ApiError,
    TimeoutError,
    RuntimeError,
    OSError,
)
_LOG_WIDTH = 140
_TITLES: Mapping[Split, str] = {"dev": "Development half", "test": "Held-out half"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the evaluation; returns the exit status."""
    options = parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        # A log has room.
        console = Console(width=_LOG_WIDTH)
    try:
        with interruptible():
            return _evaluate(options, console)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    except _EXPECTED as error:
        console.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 2


def _evaluate(options: argparse.Namespace, console: Console) -> int:
    if options.queries and not options.url:
        raise UsageError("--queries needs --url and --token: of the account that holds the videos")
    if options.gate and options.split == "dev":
        raise UsageError("--gate judges the held-out half; leave --split out")
    # Before anything is started, for a missing file is soon put right.
    baseline = load(options.gate) if options.gate else None
    saved = {each.file: load(each.file) for each in options.against if each.file}
    labelled = read_queries(options.queries) if options.queries else queries()
    chosen = [query for query in labelled if options.split in (query.split, "all")]
    directory = options.state / "evaluation"
    with _client(options, directory, console) as client, _bars(console) as bars:
        ask_with = _asker(client, chosen, options, directory, bars)
        run = ask_with(options.weights, tuple(LEGS))
        others = [
            saved[each.file] if each.file else ask_with(each.weights or {}, (ALL,))
            for each in options.against
        ]
    _report(console, chosen, run, show_held_out=options.show_held_out)
    for other in others:
        _compare(console, chosen, other, run)
    for path in filter(None, (directory / "run.json", options.save)):
        save(run, path)
        console.print(f"Saved to {path}", highlight=False, soft_wrap=True)
    return _gate(console, chosen, baseline, run) if baseline else 0


@contextmanager
def _client(options: argparse.Namespace, directory: Path, console: Console) -> Iterator[Client]:
    """Of the deployment named, or of a local cloud of the evaluation's own."""
    if options.url:
        if not options.token:
            raise UsageError("--url needs --token: an ID token of the account to use")
        yield Client(Endpoints(api_url=options.url.rstrip("/"), identity_url=""), options.token)
        return
    with console.status("") as status:
        cloud = started(
            directory / options.profile,
            models=model_choice(options),
            on_step=lambda step: status.update(f"starting the local cloud: {step}"),
        )
        with cloud as running:
            status.stop()
            endpoints = running.address.endpoints
            yield Client(endpoints, sign_in(endpoints, _EMAIL, _PASSWORD))


def _asker(
    client: Client,
    chosen: Sequence[Query],
    options: argparse.Namespace,
    directory: Path,
    bars: Progress,
) -> Callable[[Mapping[str, float], tuple[str, ...]], Run]:
    """Has the videos indexed; what it returns asks all queries with some weights, in some legs."""
    version = searched_version(client)
    if options.queries:
        splits = {split: _named(half) for split, half in _halves(chosen)}
        ids = ids_by_title(client, sorted({name for names in splits.values() for name in names}))
    else:
        splits = {split: [v.name for v in videos() if v.split == split] for split in SPLITS}
        ids = _index(client, directory, version, bars)

    def ask_with(weights: Mapping[str, float], legs: tuple[str, ...]) -> Run:
        task = bars.add_task("ask the queries", total=len(chosen) * len(legs))
        return ask(
            client,
            chosen,
            ids,
            splits=splits,
            index_version=version,
            library=str(options.queries) if options.queries else library_digest(),
            weights=weights,
            legs=legs,
            on_query=lambda: bars.advance(task),
        )

    return ask_with


def _named(half: Sequence[Query]) -> list[str]:
    """The videos that a half's labels name."""
    return sorted({moment.video for query in half for moment in query.moments})


def _index(client: Client, directory: Path, version: str, bars: Progress) -> dict[str, str]:
    task = bars.add_task("index the library", total=len(videos()))
    return index_library(
        client,
        videos(),
        directory / "videos",
        index_version=version,
        on_progress=lambda done, total: bars.update(task, completed=done, total=total),
    )


def _report(console: Console, chosen: Sequence[Query], run: Run, *, show_held_out: bool) -> None:
    console.print(f"\nIndex version {run.name}, library {run.library}\n", highlight=False)
    report.legend(console)
    for split, half in _halves(chosen):
        if split == "dev" or show_held_out:
            report.misses(console, f"{_TITLES[split]}: not as labelled", half, run)
        report.summary(console, _TITLES[split], half, run)


def _compare(console: Console, chosen: Sequence[Query], other: Run, run: Run) -> None:
    if other.library != run.library:
        console.print("[yellow]The other run searched another version of the library.[/]")
    for split, half in _halves(chosen):
        common = compare.comparable(half, other, run)
        if left := len(half) - len(common):
            console.print(f"[yellow]{left} queries are new or labelled anew: left out.[/]")
        report.comparison(
            console,
            f"{_TITLES[split]}, {len(common)} queries",
            (other.name, run.name),
            compare.differences(common, other, run),
        )


def _gate(console: Console, chosen: Sequence[Query], baseline: Run, run: Run) -> int:
    common = compare.comparable(chosen, baseline, run)
    if not any(query.split == "test" for query in common):
        raise UsageError("the baseline has no held-out query with today's labels: make a new one")
    failed = compare.failures(common, baseline, run)
    for each in failed:
        console.print(f"[bold red]Gate: held-out {each.measure} is significantly worse.[/]")
    if not failed:
        console.print("[green]Gate: nothing on the held-out half is significantly worse.[/]")
    return 1 if failed else 0


def _halves(chosen: Sequence[Query]) -> Iterator[tuple[Split, list[Query]]]:
    for split in SPLITS:
        if half := [query for query in chosen if query.split == split]:
            yield split, half


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:22}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        console=console,
    )
