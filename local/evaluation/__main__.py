"""`python -m local.evaluation`: measure search, compare, and gate a change."""

from __future__ import annotations

import sys

from local.evaluation.cli import main

if __name__ == "__main__":
    sys.exit(main())
