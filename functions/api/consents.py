"""`/v1/faces/consent`: the user's consent to faces being looked for in their videos."""

from __future__ import annotations

from sqlalchemy import Connection

from common import audit
from common.errors import InputError
from common.people import consent, erasing
from common.people.consent import POLICY_VERSION
from common.web.models import ResponseModel
from common.web.routes import Principal, RouteTable
from functions.api.people import Consent, ConsentGiven
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable()


class FaceConsent(ResponseModel):
    """Whether the user consents, and to what consent would be."""

    consent: Consent | None
    """Null: no faces are looked for."""
    policy_version: str
    """The policy that is asked consent to."""
    available: bool
    """Whether faces are looked for here at all."""


@routes.get("/v1/faces/consent", summary="Read the consent to faces", conditional=True)
def get_face_consent(services: Api, *, principal: Principal, tx: Connection) -> FaceConsent:
    """Without it, no face is looked for in any video, and no photo is taken."""
    return _shown(services, tx, principal)


@routes.post(
    "/v1/faces/consent",
    summary="Consent to faces being looked for",
    effect="faces.consent",
    status=200,
    errors=("feature_disabled",),
    check_revoked=True,
    recent_sign_in=True,
)
def give_face_consent(
    services: Api, *, principal: Principal, tx: Connection, body: ConsentGiven
) -> FaceConsent:
    """For the user's own videos, from now on. Repeating it changes nothing."""
    if not services.settings.feature_face:
        raise InputError("feature_disabled", "faces")
    if consent.give(tx, principal.user_id, body.policy_version):
        audit.record(tx, principal.user_id, "faces.consent_given", code=body.policy_version)
    return _shown(services, tx, principal)


@routes.delete(
    "/v1/faces/consent", summary="Withdraw the consent to faces", effect="faces.withdraw"
)
def withdraw_face_consent(services: Api, *, principal: Principal, tx: Connection) -> None:
    """Every face found in videos, and everybody's photos, are gone at once; files within a minute.

    That holds for videos that are being processed, too. Names of people stay.
    """
    if erasing.withdraw_all(tx, principal.user_id):
        audit.record(tx, principal.user_id, "faces.consent_withdrawn")


def _shown(services: Api, tx: Connection, principal: Principal) -> FaceConsent:
    found = consent.find(tx, principal.user_id)
    given = None
    if found is not None:
        given = Consent(policy_version=found.policy_version, given_at=found.given_at)
    return FaceConsent(
        consent=given,
        policy_version=POLICY_VERSION,
        available=services.settings.feature_face,
    )
