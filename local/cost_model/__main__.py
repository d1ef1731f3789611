"""`python -m local.cost_model`: write docs/cost.md from the tables of prices, work and the month.

With `--check` nothing is written; it fails if the committed page is not what the tables make. With
`--measured STATE` it compares the model with what a local cloud's runs took.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local.cost_model import measured, month, page, prices, work

PAGE: Final = Path(__file__).parents[2] / "docs" / "cost.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, check or compare; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.cost_model", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the page is stale")
    parser.add_argument("--measured", type=Path, metavar="STATE", help="directory of a local cloud")
    parser.add_argument(
        "--minutes", type=float, default=68 / 60, help="of video in it (default: the demo's sample)"
    )
    options = parser.parse_args(arguments)
    tables = page.Tables(prices=prices.load(), work=work.load(), month=month.load())
    if options.measured is not None:
        return _compare(options.measured, options.minutes, tables.work)
    text = page.rendered(tables)
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/cost.md is stale: run make costs", file=sys.stderr)
    return 1


def _compare(state: Path, minutes: float, table: work.Work) -> int:
    runs = measured.read(state)
    if not runs:
        print(f"Error: no run's cost is logged below {state}", file=sys.stderr)
        return 1
    print("\n".join(measured.report(runs, minutes, table)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
