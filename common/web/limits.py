"""Limits of requests that more than one module knows."""

from __future__ import annotations

from typing import Final

#: What a session alone must not be enough for takes a sign-in within this time.
RECENT_SIGN_IN_S: Final = 300
