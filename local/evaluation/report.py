"""Runs and comparisons as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.evaluation.compare import Difference
from local.evaluation.labels import KINDS, LANGUAGES, Moment, Query
from local.evaluation.metrics import parts, value
from local.evaluation.runs import ALL, Run
from local.evaluation.significance import ALPHA, interval

_COLUMNS = (
    "recall@1",
    "recall@5",
    "recall@10",
    "MRR",
    "recall@1 IoU 0.5",
    "mean IoU",
    "covered@10",
    "nothing precision",
    "nothing recall",
)
#: Measures whose interval is worth the room.
_WITH_INTERVAL = ("recall@5", "MRR", "nothing precision")


def summary(console: Console, title: str, queries: Sequence[Query], run: Run) -> None:
    """One half: by kind and language with every leg together, then leg by leg."""
    table = _table(title, "queries")
    for name, group in _groups(queries):
        _add_row(table, name, group, run, ALL)
    console.print(table)
    legs = _table(f"{title}, leg by leg", "leg")
    for leg in run.legs:
        for name, belongs in _LANGUAGES:
            _add_row(legs, f"{leg}, {name}", [q for q in queries if belongs(q)], run, leg)
    console.print(legs)


def misses(console: Console, title: str, queries: Sequence[Query], run: Run) -> None:
    """The queries that do not get their moment first, and what they get instead."""
    table = Table(title=title, title_justify="left")
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
    console.print(table)


def comparison(
    console: Console, title: str, names: tuple[str, str], rows: Sequence[Difference]
) -> None:
    """Two runs, measure by measure."""
    table = Table(title=title, title_justify="left")
    for column in ("measure", f"A: {names[0]}", f"B: {names[1]}", "B - A", "differing", "p", ""):
        table.add_column(column, overflow="fold")
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
        f"Paired randomisation test over queries, two-sided, α = {ALPHA}, fixed seed.", style="dim"
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


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    table.add_column("n", justify="right")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    return table


def _add_row(table: Table, name: str, queries: Sequence[Query], run: Run, leg: str) -> None:
    outcomes = [run.legs[leg][query.id].outcome for query in queries]
    if not outcomes:
        return
    cells = []
    for measure in _COLUMNS:
        of = parts(measure, outcomes)
        cell = _number(value(of))
        bounds = interval(of) if measure in _WITH_INTERVAL else None
        cells.append(f"{cell} [{bounds[0]:.2f}–{bounds[1]:.2f}]" if bounds else cell)
    table.add_row(name, str(len(outcomes)), *(escape(cell) for cell in cells))


def _number(number: float | None) -> str:
    return "-" if number is None else f"{number:.3f}"


def _span(moment: Moment) -> str:
    return f"{moment.video} {moment.start_ms / 1000:g}–{moment.end_ms / 1000:g} s"
