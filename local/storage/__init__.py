"""A stand-in for Cloud Storage that the official client library talks to unchanged."""

from local.storage.faults import Faults
from local.storage.server import StorageServer

__all__ = ["Faults", "StorageServer"]
