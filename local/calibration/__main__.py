"""`python -m local.calibration`: fit a text model's calibration to the labelled pairs.

Writes the entry of the profile's text model into functions/search/calibrations.json and leaves the
other models' as they are. Pairs that the model cannot read (it abstains) are left out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from common.encoders import TextEncoder, load
from common.errors import ConfigError
from functions.search.calibration import CALIBRATIONS_PATH
from local.calibration import fit, pairs

#: A pair of numbers that `json` spreads over four lines.
_KNOT: Final = re.compile(r"\[\s+([-\d.]+),\s+([-\d.]+)\s+\]")


def entry(model: TextEncoder) -> dict[str, Any]:
    """What `calibrations.json` says of a model.

    Raises:
        ValueError: the model can read too few pairs.
    """
    known = [
        pair
        for pair in pairs.read()
        if not model.abstains(pair.query) and not model.abstains(pair.line)
    ]
    queries = model.encode([pair.query for pair in known]).astype(np.float64)
    lines = model.encode([pair.line for pair in known]).astype(np.float64)
    return {
        "provisional": False,
        "note": f"Fitted to {len(known)} pairs of local/calibration/pairs.tsv.",
        "version": {"pairs": pairs.digest(), "method": fit.method_digest()},
        **fit.fit(queries, lines),
    }


def rendered(entries: Mapping[str, Any]) -> str:
    """The file as it is committed: a knot on a line."""
    text = json.dumps(entries, indent=2, ensure_ascii=False, sort_keys=True)
    return _KNOT.sub(r"[\1, \2]", text) + "\n"


def main() -> int:
    """Fit and write; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.calibration", description=__doc__)
    parser.add_argument("--profile", default="offline", help="offline, cpu or gpu")
    parser.add_argument("--models", default="", help="directory of the models, not for offline")
    parser.add_argument("--out", type=Path, default=CALIBRATIONS_PATH, help="file to write")
    options = parser.parse_args()
    try:
        model = load(options.profile, options.models).text
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    source = options.out if options.out.exists() else CALIBRATIONS_PATH
    entries = json.loads(source.read_text(encoding="utf-8"))
    entries[model.name] = entry(model)
    options.out.write_text(rendered(entries), encoding="utf-8")
    measured = entries[model.name]["measured"]
    print(f"{model.name}: {entries[model.name]['pairs']} pairs, cosines {measured}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
