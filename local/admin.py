"""The operator's command line on the local cloud: `make admin ARGS="list"`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.address import running_cloud
from local.functions import REPOSITORY
from local.identity.files import write_private


def keep_environment(directory: Path, environment: Mapping[str, str]) -> None:
    """Write down what an operator's process needs to be told; for this user's eyes only."""
    told = {name: value for name, value in environment.items() if name != "HEIMDEX_TOKEN_KEY"}
    write_private(_file(directory), json.dumps(told, indent=2).encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m gpu_jobs.admin` on a running local cloud; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.admin", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".heimdex"), help="state directory")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="see gpu_jobs.admin --help")
    options = parser.parse_args(arguments)
    directory = (options.state / "cloud").resolve()
    if running_cloud(directory) is None:
        print("Error: no local cloud is running; start one with: make up", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "gpu_jobs.admin", *options.command]
    environment = operator_environment(directory)
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode


def operator_environment(directory: Path) -> dict[str, str]:
    """What an operator's process needs to be told, of the cloud on the directory."""
    environment: dict[str, str] = json.loads(_file(directory).read_text())
    return environment


def _file(directory: Path) -> Path:
    return directory / "operator.json"


if __name__ == "__main__":
    sys.exit(main())
