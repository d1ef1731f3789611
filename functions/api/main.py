"""The API function: wiring and nothing else."""

from __future__ import annotations

import flask
import functions_framework

from common import config, log, tracing
from common.database import Database
from common.web.app import create_app, to_response
from common.web.envelope import harden
from common.web.firebase import authenticator
from functions.api.routes import routes
from functions.api.services import Api
from functions.api.signing import LazySigner

log.configure("api")
_settings = config.load()
tracing.configure(_settings, "api")
harden(origins=_settings.cors_origins)
_database = Database.connect(_settings)
_app = create_app(
    "api",
    routes,
    Api(settings=_settings, signer=LazySigner(_settings)),
    settings=_settings,
    authenticate=authenticator(_database),
    database=_database,
)


@functions_framework.http
def api(request: flask.Request) -> flask.Response:
    """Answer a request under `/v1`."""
    return to_response(_app, request)
