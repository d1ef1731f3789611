"""`python -m tests.docs`: every command of the runbooks, and whether anybody runs it."""

from __future__ import annotations

import sys

from tests.docs.commands import all_blocks

_FATE = {
    "local": "run by a test",
    "cloud": "checked, NOT RUN: needs a project",
    "hand": "checked, not run: waits, downloads or sets up",
}
#: tests/terraform/test_first_deploy.py
_FOLLOWED = "followed by a test, without Google and Docker"


def main() -> int:
    """Print one line per command."""
    for block in all_blocks():
        if block.kind in _FATE:
            followed = block.kind == "cloud" and block.file.stem == "first-deploy"
            fate = _FOLLOWED if followed else _FATE[block.kind]
            for command in block.commands:
                sys.stdout.write(f"{block.where:24} {fate:46} {' '.join(command)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
