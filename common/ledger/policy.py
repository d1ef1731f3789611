"""How long claims hold, and how often and how soon failures are tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.config import Settings

#: Pauses after transient failures double up to this.
_MAX_BACKOFF_S: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class LeasePolicy:
    """The ledger's time-outs and caps."""

    lease_s: float
    max_attempts: int
    #: First pause after a transient failure.
    retry_backoff_s: float

    @classmethod
    def of(cls, settings: Settings) -> LeasePolicy:
        """The configured policy."""
        return cls(
            lease_s=settings.lease_s,
            max_attempts=settings.max_attempts,
            retry_backoff_s=settings.retry_backoff_s,
        )

    def delay_s(self, attempt: int) -> float:
        """Pause after a transient failure of this attempt (from 1), before ± 50 % jitter."""
        return float(min(self.retry_backoff_s * 2.0 ** (attempt - 1), _MAX_BACKOFF_S))
