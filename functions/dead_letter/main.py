"""The function that the dead-letter topic is pushed to: what nobody could handle, on record.

A status other than 2xx makes Pub/Sub push again, later each time.
"""

from __future__ import annotations

from functools import cache

import flask
import functions_framework

from common import config, log, tracing
from common.database import Database
from common.errors import ContractError
from common.ledger.dead_letters import DeadLetters, read_letter
from common.messages import Pushed, unwrap_push
from common.web.envelope import harden
from common.web.pushes import answer_push

log.configure("dead_letter")
harden()


@cache
def _dead_letters() -> DeadLetters:
    """Wired once per instance, when the first push comes."""
    settings = config.load()
    tracing.configure(settings, "dead_letter")
    return DeadLetters(Database.connect(settings))


@functions_framework.http
def dead_letter(request: flask.Request) -> flask.Response:
    """Answer a push of Pub/Sub."""
    return answer_push(_take, request.get_data())


def _take(body: bytes) -> None:
    pushed = unwrap_push(body)
    letters, trace = _dead_letters(), pushed.attributes.get("traceparent", "")
    with tracing.span("dead letter", parent=trace, kind="consumer"):
        handle(pushed, letters)


def handle(pushed: Pushed, letters: DeadLetters) -> None:
    """The function, without the framework.

    Raises:
        ContractError: the push has no message id.
        TransientError: push it again.
    """
    if not pushed.message_id:
        raise ContractError("message_invalid", "push without a message id")
    letter = read_letter(pushed.message_id, pushed.data, dict(pushed.attributes))
    recorded = letters.record(letter)
    log.event(
        "dead_letter.recorded" if recorded else "dead_letter.moot",
        severity="ERROR" if recorded else "INFO",
        message_id=letter.id,
        reason=letter.reason,
        run_id=letter.run_id,
        code=letter.error_code,
        subscription=letter.subscription,
    )
