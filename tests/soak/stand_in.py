"""A stand-in in a process of its own, with its faults: prints its address and runs until its end.

python -m tests.soak.stand_in storage DIRECTORY URL-OF-THE-EVENT-FUNCTION
python -m tests.soak.stand_in pubsub DIRECTORY
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from local.environment import PROJECT
from local.pubsub import PubSubServer
from local.pubsub.faults import DeliveryFaults
from local.pubsub.faults import Faults as PubSubFaults
from local.rpc import CallFaults
from local.storage import StorageServer
from local.storage.faults import Faults as StorageFaults
from tests.tiny_pipeline import ARTIFACTS, UPLOADS

#: Of the events of stored objects, and of messages.
DUPLICATES = 0.2
REORDERED = 0.3
#: Of all calls and requests.
UNAVAILABLE = 0.05


def storage(directory: Path, event_url: str) -> StorageServer:
    """Cloud Storage."""
    return StorageServer(
        directory,
        public_key_for=_no_key,
        event_targets={UPLOADS: event_url},
        buckets=(ARTIFACTS,),
        faults=StorageFaults(
            fail_share=UNAVAILABLE, event_duplicate_share=DUPLICATES, event_reorder_s=0.5
        ),
    )


def pubsub(directory: Path) -> PubSubServer:
    """Pub/Sub."""
    deliveries = DeliveryFaults(duplicate=DUPLICATES, delay=0.1, reorder=REORDERED)
    faults = PubSubFaults(calls=CallFaults(rate=UNAVAILABLE), deliveries=deliveries)
    return PubSubServer(directory, project=PROJECT, faults=faults)


def main(arguments: Sequence[str]) -> None:
    """Serve until the standard input ends."""
    kind, directory, *more = arguments
    if kind == "storage":
        with storage(Path(directory), *more) as buckets:
            _serve(buckets.url)
    else:
        with pubsub(Path(directory)) as messages:
            _serve(messages.endpoint)


def _serve(address: str) -> None:
    print(address, flush=True)
    sys.stdin.read()


def _no_key(email: str) -> rsa.RSAPublicKey | None:
    """Nothing is signed here."""
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
