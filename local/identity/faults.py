"""Faults that tests switch on and off while the stand-in runs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Faults:
    """What goes wrong now. Change the fields at any time; the next request sees them."""

    #: Hosts (see `local.identity.hosts`) that answer 503; `{CERTIFICATES}` is a certificate outage.
    unavailable_hosts: set[str] = field(default_factory=set)
    #: Added before every answer, in seconds.
    delay_s: float = 0.0
