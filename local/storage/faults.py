"""Things that go wrong on purpose."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Faults:
    """What goes wrong next; every field may be set while the server runs.

    Counters (`fail_requests`, `cut_…`, `lose_events`) say how many of the next requests, bodies or
    events are hit and count down; the other fields hold until changed. Shares are of all requests
    or events, 0–1.
    """

    #: The next requests are answered with `fail_status` and otherwise ignored.
    fail_requests: int = 0
    #: So is this share of all requests.
    fail_share: float = 0.0
    #: 429 or a 5xx.
    fail_status: int = 503
    #: The next uploads lose their connection after `cut_after_bytes` of the body.
    cut_uploads: int = 0
    #: The next downloads lose their connection after `cut_after_bytes` of the body.
    cut_downloads: int = 0
    cut_after_bytes: int = 0
    #: The next requests are carried out, but the connection is cut instead of the answer.
    cut_replies: int = 0
    #: The next events are forgotten.
    lose_events: int = 0
    #: Every event is delivered this many times more.
    event_duplicates: int = 0
    #: This share of events is delivered once more.
    event_duplicate_share: float = 0.0
    #: Every event waits this long.
    event_delay_s: float = 0.0
    #: Every other event waits this long, so that the next one overtakes it.
    event_reorder_s: float = 0.0
    #: Of what the shares decide.
    seed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def take(self, counter: str) -> bool:
        """Count `counter` down; whether the fault happens now."""
        with self._lock:
            left: int = getattr(self, counter)
            if left > 0:
                setattr(self, counter, left - 1)
            return left > 0

    def chance(self, share: float) -> bool:
        """Whether a fault that hits this share happens now."""
        with self._lock:
            return share > 0 and self._random.random() < share
