"""The search function: wiring and nothing else. Models are loaded here, before any request."""

from __future__ import annotations

import flask
import functions_framework

from common import config, encoders, log, model_mirror, tracing
from common.database import Database
from common.index_version import index_version
from common.web.app import create_app, to_response
from common.web.envelope import harden
from common.web.firebase import authenticator
from functions.search.encoding import Encoders
from functions.search.finder import Finder
from functions.search.routes import routes
from functions.search.services import SearchServices

#: Encoded once at start, so that the first search finds everything warm.
_WARM_UP = "a red car at night"

log.configure("search")
_settings = config.load()
tracing.configure(_settings, "search")
harden(origins=_settings.cors_origins)
_database = Database.connect(_settings)
_index_version = index_version(_settings.profile, choose=_settings.chosen_models)
model_mirror.fetch(_settings, below=encoders.QUERY)
_encoders = Encoders(
    encoders.load(
        _settings.profile,
        _settings.models_dir,
        choose=_settings.chosen_models,
        quantised=_settings.quantised_encoders,
    )
)
_encoders.encode(_WARM_UP)
_app = create_app(
    "search",
    routes,
    SearchServices(
        finder=Finder(
            _database,
            _encoders,
            index_version=_index_version,
            leg_timing_every=_settings.leg_timing_every,
        )
    ),
    settings=_settings,
    authenticate=authenticator(_database),
    database=_database,
)


@functions_framework.http
def search(request: flask.Request) -> flask.Response:
    """Answer a request under `/v1/search`."""
    return to_response(_app, request)
