"""The API function for one test."""

from __future__ import annotations

from uuid import UUID

import flask
import pytest

from common.config import Settings
from common.database import Database
from common.storage import ObjectStore
from common.web.app import create_app
from functions.api.routes import routes
from functions.api.services import Api
from tests.conftest import TestDatabase, insert_user, settings
from tests.integration.api.world import ApiClient, Ledger, authenticate, make_signer


@pytest.fixture(scope="session")
def signer() -> ObjectStore:
    """A real signer."""
    return make_signer()


@pytest.fixture
def api_settings() -> Settings:
    """Settings with small limits, one origin and faces."""
    return settings(
        max_upload_bytes=1_000_000,
        max_photo_bytes=100_000,
        cors_origins=("https://app.example",),
        feature_face=True,
        feature_face_enrollment=True,
    )


@pytest.fixture
def app(api_database: Database, api_settings: Settings, signer: ObjectStore) -> flask.Flask:
    """The function's application."""
    return create_app(
        "api",
        routes,
        Api(settings=api_settings, signer=signer),
        settings=api_settings,
        authenticate=authenticate,
        database=api_database,
    )


@pytest.fixture
def anonymous(app: flask.Flask) -> ApiClient:
    """Somebody without a token."""
    return ApiClient(app)


@pytest.fixture
def client(app: flask.Flask, user_id: UUID) -> ApiClient:
    """The user."""
    return ApiClient(app, str(user_id))


@pytest.fixture
def stranger_id(database: TestDatabase) -> UUID:
    """Another user."""
    return insert_user(database, tier="enterprise")


@pytest.fixture
def stranger(app: flask.Flask, stranger_id: UUID) -> ApiClient:
    """Another user's client."""
    return ApiClient(app, str(stranger_id))


@pytest.fixture
def ledger(database: TestDatabase, user_id: UUID) -> Ledger:
    """The user's rows."""
    return Ledger(database=database, user_id=user_id)


@pytest.fixture
def unverified(app: flask.Flask, user_id: UUID) -> ApiClient:
    """The user, before they followed the link in the mail."""
    return ApiClient(app, f"unverified-{user_id}")


@pytest.fixture
def revoked(app: flask.Flask, user_id: UUID) -> ApiClient:
    """The user with a token that Firebase has revoked."""
    return ApiClient(app, f"revoked-{user_id}")


@pytest.fixture
def stale(app: flask.Flask, user_id: UUID) -> ApiClient:
    """The user in a session that began more than five minutes ago."""
    return ApiClient(app, f"stale-{user_id}")
