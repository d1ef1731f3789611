"""What the handlers of both APIs work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from local.storage.events import Events
from local.storage.faults import Faults
from local.storage.objects import Objects
from local.storage.resumable import Sessions
from local.storage.signatures import PublicKeyFor
from local.storage.state import State
from local.storage.uploads import Uploads


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts of the store, wired together."""

    state: State
    objects: Objects
    events: Events
    uploads: Uploads
    sessions: Sessions
    public_key_for: PublicKeyFor
    clock: Callable[[], datetime]
    #: Read anew for each request, so that faults can be replaced at run time.
    current_faults: Callable[[], Faults]

    @property
    def faults(self) -> Faults:
        """The faults to inject now."""
        return self.current_faults()


def build(
    state: State,
    *,
    event_targets: Mapping[str, str],
    public_key_for: PublicKeyFor,
    clock: Callable[[], datetime],
    current_faults: Callable[[], Faults],
) -> Service:
    """Wire the parts around a state."""
    objects = Objects(state, clock)
    events = Events(state, event_targets.get, current_faults)
    uploads = Uploads(state, objects, events)
    return Service(
        state=state,
        objects=objects,
        events=events,
        uploads=uploads,
        sessions=Sessions(state, uploads, clock),
        public_key_for=public_key_for,
        clock=clock,
        current_faults=current_faults,
    )
