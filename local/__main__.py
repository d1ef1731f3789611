"""`python -m local`: the local cloud and a client of it, from the command line."""

from __future__ import annotations

import sys

from local.cli import main

if __name__ == "__main__":
    sys.exit(main())
