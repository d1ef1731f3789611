"""What can be asked of `python -m local.evaluation`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.cli import add_models, add_state
from local.evaluation.labels import SPLITS

_WEIGHTS = ("text", "vision", "tags", "person")


@dataclass(frozen=True, kw_only=True)
class Against:
    """Another run: a saved one, or other weights on the same index."""

    file: Path | None = None
    weights: Mapping[str, float] | None = None


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m local.evaluation",
        description="Ask labelled queries through the public API and measure the answers.",
        epilog="Exit status: 1 if --gate finds the held-out half significantly worse, 2 on error.",
    )
    add_state(options)
    add_models(options)
    options.add_argument(
        "--url", help="of a deployment's API, without /v1, instead of a local cloud"
    )
    options.add_argument(
        "--token", help="an ID token for --url; the library is uploaded if missing"
    )
    options.add_argument(
        "--queries",
        type=Path,
        metavar="FILE",
        help="your own labels, of videos that the account holds under these titles (see "
        "docs/evaluation.md)",
    )
    options.add_argument(
        "--split", choices=(*SPLITS, "all"), default="all", help="which half to ask"
    )
    options.add_argument(
        "--show-held-out",
        action="store_true",
        help="list the held-out queries that fail; whoever tunes by them has no held-out half left",
    )
    options.add_argument(
        "--weights", type=weights_argument, default={}, metavar="text:0.6,vision:0.2,…"
    )
    options.add_argument(
        "--against",
        type=_against_argument,
        action="append",
        default=[],
        metavar="FILE|weights=text:0.6,…",
        help="compare with a saved run, or with other weights; may be repeated",
    )
    options.add_argument("--gate", type=Path, metavar="FILE", help="fail if worse than a saved run")
    options.add_argument("--save", type=Path, metavar="FILE", help="where to save the run as well")
    return options


def weights_argument(value: str) -> dict[str, float]:
    """`text:0.6,vision:0.2` → weights; those not named are 0, except person, which stays."""
    weights = dict.fromkeys(("text", "vision", "tags"), 0.0)
    for item in value.split(","):
        name, _, number = item.partition(":")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{item!r} is not NAME:NUMBER") from None
        if name.strip() not in _WEIGHTS or not 0 <= weights[name.strip()] <= 1:
            raise argparse.ArgumentTypeError(f"{item!r}: {', '.join(_WEIGHTS)}, each from 0 to 1")
    return weights


def _against_argument(value: str) -> Against:
    if value.startswith("weights="):
        return Against(weights=weights_argument(value.removeprefix("weights=")))
    return Against(file=Path(value))
