"""`python -m local.openapi`: write the API's OpenAPI document from the functions' route tables.

With `--check` nothing is written; it fails if the committed document is not what the code says.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain

from common.web import openapi
from functions.api.meta import OPENAPI_PATH
from functions.api.routes import routes as api_routes
from functions.search.routes import routes as search_routes

_TITLE = "Heimdex"
_VERSION = "0.1.0"
_DESCRIPTION = (
    "Find the exact moment in your own videos with a sentence in Korean or English. "
    "Times in videos are integer milliseconds from their start."
)


def rendered() -> str:
    """The document as it is committed."""
    document = openapi.document(
        chain(api_routes, search_routes),
        title=_TITLE,
        version=_VERSION,
        description=_DESCRIPTION,
    )
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the document is stale")
    check = parser.parse_args().check
    text = rendered()
    if not check:
        OPENAPI_PATH.write_text(text, encoding="utf-8")
        return 0
    if OPENAPI_PATH.exists() and OPENAPI_PATH.read_text(encoding="utf-8") == text:
        return 0
    print("functions/api/openapi.json is stale: run python -m local.openapi", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
