"""Runs and comparisons as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.evaluation.compare import Difference
from local.evaluation.labels import KINDS, LANGUAGES, Moment, Query
from local.evaluation.metrics import parts, value
from local.evaluation.runs import ALL, Run
from local.evaluation.significance import ALPHA, interval

#: Measures by the head of their column, narrow enough for a terminal of 80 characters.
_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "R@1": "recall@1",
        "R@5": "recall@5",
        "R@10": "recall@10",
        "MRR": "MRR",
        "R@1½": "recall@1 IoU 0.5",
        "mIoU": "mean IoU",
        "cov": "covered@10",
        "∅ P": "nothing precision",
        "∅ R": "nothing recall",
    }
)
#: Measures whose 95 % interval is printed.
_WITH_INTERVAL: Final = ("recall@1", "recall@5", "MRR", "nothing precision", "nothing recall")


def summary(console: Console, title: str, queries: Sequence[Query], run: Run) -> None:
    """One half: by kind and language with every leg together, then leg by leg."""
    table = _measures(title, "queries")
    for name, group in _groups(queries):
        _add_row(table, name, group, run, ALL)
    console.print(table)
    outcomes = [run.legs[ALL][query.id].outcome for query in queries]
    bounds = {name: interval(parts(name, outcomes)) for name in _WITH_INTERVAL}
    shown = [f"{name} {of[0]:.2f}–{of[1]:.2f}" for name, of in bounds.items() if of]
    console.print(f"  95 % intervals: {', '.join(shown)}\n", style="dim", highlight=False)
    legs = _measures(f"{title}, leg by leg", "leg")
    for leg in run.legs:
        for name, belongs in _LANGUAGES:
            _add_row(legs, f"{leg}, {name}", [q for q in queries if belongs(q)], run, leg)
    console.print(legs)


def legend(console: Console) -> None:
    """What the heads of the columns stand for."""
    names = [f"{head}: {measure}" for head, measure in _COLUMNS.items() if head != measure]
    console.print(f"{', '.join(names)}\n", style="dim", highlight=False)


def misses(console: Console, title: str, queries: Sequence[Query], run: Run) -> None:
    """The queries that do not get their moment first, and what they get instead."""
    table = _table(title)
    for column in ("id", "query", "found at", "first hit", "labelled"):
        table.add_column(column, overflow="fold")
    for query in queries:
        answer = run.legs[ALL][query.id]
        outcome = answer.outcome
        right = outcome.rank == 1 if outcome.answerable else outcome.said_nothing
        if not right:
            table.add_row(
                query.id,
                escape(query.text),
                str(outcome.rank or "-") if outcome.answerable else "-",
                _span(answer.first) if answer.first else "nothing found",
                ", ".join(_span(moment) for moment in query.moments) or "nothing",
            )
    if table.row_count:
        console.print(table)


def comparison(
    console: Console, title: str, names: tuple[str, str], rows: Sequence[Difference]
) -> None:
    """Two runs, measure by measure."""
    table = _table(f"{title}\n  A: {names[0]}\n  B: {names[1]}")
    table.add_column("measure")
    for column in ("A", "B", "B - A", "differing", "p"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row in rows:
        change = (row.after or 0.0) - (row.before or 0.0)
        said = "not shown" if row.verdict == "not shown" else f"significantly {row.verdict}"
        table.add_row(
            row.measure,
            _number(row.before),
            _number(row.after),
            f"{change:+.3f}",
            str(row.differing),
            f"{row.p:.4f}",
            said,
        )
    console.print(table)
    console.print(
        f"  Paired randomisation test over queries, two-sided, α = {ALPHA}, fixed seed.\n",
        style="dim",
        highlight=False,
    )


_LANGUAGES: tuple[tuple[str, Callable[[Query], bool]], ...] = (
    ("all", lambda _: True),
    *((name, lambda query, name=name: query.language == name) for name in LANGUAGES),
)


def _groups(queries: Sequence[Query]) -> Iterator[tuple[str, list[Query]]]:
    for name, belongs in _LANGUAGES:
        yield name, [query for query in queries if belongs(query)]
    for kind in KINDS:
        for language in LANGUAGES:
            group = [q for q in queries if q.kind == kind and q.language == language]
            yield f"{kind}, {language}", group


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def _measures(title: str, first: str) -> Table:
    table = _table(title)
    table.add_column(first, no_wrap=True)
    table.add_column("n", justify="right")
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _add_row(table: Table, name: str, queries: Sequence[Query], run: Run, leg: str) -> None:
    outcomes = [run.legs[leg][query.id].outcome for query in queries]
    if outcomes:
        values = [value(parts(measure, outcomes)) for measure in _COLUMNS.values()]
        table.add_row(name, str(len(outcomes)), *(_number(each) for each in values))


def _number(number: float | None) -> str:
    return "-" if number is None else f"{number:.3f}"


def _span(moment: Moment) -> str:
    return f"{moment.video} {moment.start_ms / 1000:g}–{moment.end_ms / 1000:g} s"
