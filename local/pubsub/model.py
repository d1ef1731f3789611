"""What the Pub/Sub stand-in keeps, as frozen types. Times are seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message as a publisher sends it."""

    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as subscribers receive it."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str
    published_s: float


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic and the serialised definition that clients read back."""

    name: str
    definition: bytes


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Pause between a failed delivery and the next: doubles from minimum to maximum."""

    minimum_s: float
    maximum_s: float

    def pause_s(self, attempt: int) -> float:
        """Seconds to wait after the failed delivery number `attempt` (from 1)."""
        # 2**63 s is far beyond any maximum; the cap keeps the power a finite float.
        return float(min(self.maximum_s, self.minimum_s * 2.0 ** min(attempt - 1, 63)))


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Where a message goes after `max_attempts` failed deliveries."""

    topic: str
    max_attempts: int


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A subscription's rules and the serialised definition that clients read back."""

    name: str
    topic: str
    ack_deadline_s: float
    retention_s: float
    #: URL that messages are POSTed to, or "" for pull.
    push_endpoint: str
    backoff: Backoff | None
    dead_letter: DeadLetter | None
    definition: bytes


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One copy of a message in one subscription, until acknowledged."""

    #: Unique over all subscriptions and restarts; increases.
    sequence: int
    subscription: str
    message: Message
    #: Deliveries so far.
    attempts: int
    #: When leased: end of the ack deadline. Else: not delivered before.
    due_s: float
    leased: bool

    @property
    def ack_id(self) -> str:
        """Names this copy's latest delivery."""
        return f"{self.sequence}-{self.attempts}"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message handed out until its ack deadline."""

    ack_id: str
    message: Message
    #: 1 for the first; 0 when the subscription has no dead-letter policy (as Pub/Sub does).
    attempt: int
