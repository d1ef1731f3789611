"""Where a running local cloud is, written down for other processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from local.client import Endpoints


@dataclass(frozen=True, kw_only=True)
class CloudAddress:
    """The addresses of a running local cloud."""

    #: Front door, without /v1.
    api_url: str
    identity_url: str
    storage_url: str
    #: "host:port", gRPC without TLS.
    pubsub_endpoint: str
    run_endpoint: str
    #: SQLAlchemy URL as the database's superuser.
    database_url: str
    process_id: int

    @property
    def endpoints(self) -> Endpoints:
        """What an outside client needs."""
        return Endpoints(api_url=self.api_url, identity_url=self.identity_url)


def write_address(directory: Path, address: CloudAddress) -> None:
    """Tell other processes; replaces what stood there in one step."""
    partial = _file(directory).with_suffix(".partial")
    partial.write_text(json.dumps(asdict(address), indent=2))
    partial.replace(_file(directory))


def remove_address(directory: Path) -> None:
    """The cloud on this directory is no more."""
    _file(directory).unlink(missing_ok=True)


def running_cloud(directory: Path) -> CloudAddress | None:
    """The local cloud that runs on the directory, if one does."""
    try:
        address = CloudAddress(**json.loads(_file(directory).read_text()))
    except FileNotFoundError:
        return None
    return address if psutil.pid_exists(address.process_id) else None


def _file(directory: Path) -> Path:
    return directory / "cloud.json"
