"""How a function answers what Pub/Sub pushes to it."""

from __future__ import annotations

from collections.abc import Callable

import flask

from common import log
from common.errors import ContractError, TransientError


def answer_push(take: Callable[[bytes], None], body: bytes) -> flask.Response:
    """204 for what was taken or can never be read; 503 makes Pub/Sub push again, later each time.

    Args:
        take: what the function does; raises `ContractError` for what cannot be read, and
            `TransientError` for what is to be pushed again.
        body: of the request.
    """
    try:
        take(body)
    except ContractError as error:
        # Pushing it again would not make it readable.
        log.event("push.invalid", severity="ERROR", error=error)
    except TransientError as error:
        log.event("push.failed", severity="WARNING", error=error)
        return flask.Response(status=503)
    return flask.Response(status=204)
