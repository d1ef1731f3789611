"""The function that builds exports: pushed to by Pub/Sub, when the sweep finds one waiting.

It answers with success whatever becomes of an export but a service that does not answer: what an
export needs after that, the sweep finds out when the claim's time is over.
"""

from __future__ import annotations

from functools import cache

import flask
import functions_framework

from common import config, log, tracing
from common.database import Database
from common.messages import ExportRequested, decode, unwrap_push
from common.web.envelope import harden
from common.web.pushes import answer_push
from functions.build_export.archive import Builder

log.configure("build_export")
harden()


@cache
def _builder() -> Builder:
    """Wired once per instance, when the first push comes, and Google's libraries with it."""
    from common.storage import ObjectStore

    settings = config.load()
    tracing.configure(settings, "build_export")
    db = Database.connect(settings)
    return Builder(db, ObjectStore.connect(settings), settings.artifacts_bucket)


@functions_framework.http
def build_export(request: flask.Request) -> flask.Response:
    """Answer a push of Pub/Sub."""
    return answer_push(_take, request.get_data())


def _take(body: bytes) -> None:
    pushed = unwrap_push(body)
    builder, trace = _builder(), pushed.attributes.get("traceparent", "")
    with tracing.span("export", parent=trace, kind="consumer"):
        builder.build(decode(ExportRequested, pushed.data))
