"""`/v1/people`: people by name, and their consent to being known by their faces."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from common import audit
from common.errors import InputError
from common.people import erasing, records
from common.people.consent import PolicyVersion
from common.people.records import PersonRecord
from common.web.conditions import IfMatch
from common.web.models import BodyModel, PageQuery, ResponseModel
from common.web.pages import Page, Position
from common.web.routes import Principal, Reply, RouteTable
from functions.api.names import Aliases, Name
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable()


class ConsentGiven(BodyModel):
    """That somebody read the policy and agrees to it."""

    policy_version: PolicyVersion
    """The policy that was agreed to."""


class Consent(ResponseModel):
    """What was agreed to, and when."""

    policy_version: str
    given_at: datetime


class PersonRequest(BodyModel):
    """A new person."""

    name: Name
    aliases: Aliases = ()
    """Other names that search knows them by: romanised, nicknames."""
    consent: ConsentGiven | None = None
    """The person's own consent to being known by their face; photos need it."""


class PersonChange(BodyModel):
    """What to change of a person; what is left out stays."""

    name: Name | None = None
    aliases: Aliases | None = None


class Person(ResponseModel):
    """A person."""

    id: UUID
    name: str
    aliases: tuple[str, ...]
    consent: Consent | None
    """Null: their face is not looked for."""
    photos: int
    accepted_photos: int
    """From these their face is known."""
    scenes: int
    """In which they were seen."""
    created_at: datetime
    updated_at: datetime


class People(ResponseModel):
    """A page of people, newest first."""

    people: tuple[Person, ...]
    next_page_token: str | None
    """None on the last page."""


@routes.post(
    "/v1/people",
    summary="Make a person",
    effect="person.create",
    errors=("too_many_people",),
    check_revoked=True,
)
def create_person(
    services: Api, *, principal: Principal, tx: Connection, body: PersonRequest
) -> Reply[Person]:
    """A name alone does nothing with faces: that takes consent, and photos."""
    user_id = principal.user_id
    person_id = make_person(tx, user_id, name=body.name, aliases=body.aliases, consent=body.consent)
    return Reply(
        body=person_of(records.find(tx, user_id, person_id)),
        headers={"Location": f"/v1/people/{person_id}"},
    )


@routes.get("/v1/people", summary="List people, newest first")
def list_people(
    services: Api, *, principal: Principal, tx: Connection, query: PageQuery, page: Page
) -> People:
    """Everybody whom the user has named."""
    after = before(page.after) if page.after is not None else None
    found = records.list_newest(tx, principal.user_id, limit=page.size + 1, before=after)
    shown = found[: page.size]
    more = len(found) > page.size
    last = (shown[-1].created_at.isoformat(), str(shown[-1].id)) if more else ()
    return People(
        people=tuple(person_of(record) for record in shown),
        next_page_token=page.next(last) if more else None,
    )


@routes.get("/v1/people/{person_id}", summary="Read a person", conditional=True)
def get_person(services: Api, *, principal: Principal, tx: Connection, person_id: UUID) -> Person:
    """The person as they are now."""
    return person_of(records.find(tx, principal.user_id, person_id))


@routes.patch("/v1/people/{person_id}", summary="Rename a person", effect="person.rename")
def rename_person(
    services: Api,
    *,
    principal: Principal,
    tx: Connection,
    person_id: UUID,
    body: PersonChange,
    if_match: IfMatch,
) -> Person:
    """At once, in all videos. With If-Match, only if the person is still as that ETag says."""
    user_id = principal.user_id
    if_match.require(person_of(records.find(tx, user_id, person_id, for_update=True)))
    records.change(tx, user_id, person_id, name=body.name, aliases=body.aliases)
    return person_of(records.find(tx, user_id, person_id))


@routes.delete("/v1/people/{person_id}", summary="Delete a person", effect="person.erase")
def delete_person(services: Api, *, principal: Principal, tx: Connection, person_id: UUID) -> None:
    """Names, face and where they were seen are gone at once; the photos' files within a minute."""
    erasing.erase_person(tx, principal.user_id, person_id)
    audit.record(tx, principal.user_id, "person.deleted", subject_id=person_id)


@routes.post(
    "/v1/people/{person_id}/consent",
    summary="Record a person's consent",
    effect="person.consent",
    status=200,
    check_revoked=True,
)
def give_person_consent(
    services: Api, *, principal: Principal, tx: Connection, person_id: UUID, body: ConsentGiven
) -> Person:
    """That they, or whoever may speak for them, agree to being known by their face."""
    records.find(tx, principal.user_id, person_id, for_update=True)
    _consent(tx, principal.user_id, person_id, body)
    return person_of(records.find(tx, principal.user_id, person_id))


@routes.delete(
    "/v1/people/{person_id}/consent",
    summary="Withdraw a person's consent",
    effect="person.withdraw",
)
def withdraw_person_consent(
    services: Api, *, principal: Principal, tx: Connection, person_id: UUID
) -> None:
    """Photos, face and where they were seen are gone at once, files within a minute; names stay."""
    if erasing.withdraw_person(tx, principal.user_id, person_id):
        audit.record(tx, principal.user_id, "person.consent_withdrawn", subject_id=person_id)


def make_person(
    tx: Connection,
    user_id: UUID,
    *,
    name: str,
    aliases: tuple[str, ...],
    consent: ConsentGiven | None,
) -> UUID:
    """Make a person, with their consent if they gave it, and put both on record.

    Raises:
        InputError: `too_many_people`.
    """
    person_id = records.create(tx, user_id, name=name, aliases=aliases)
    audit.record(tx, user_id, "person.created", subject_id=person_id)
    if consent is not None:
        _consent(tx, user_id, person_id, consent)
    return person_id


def person_of(record: PersonRecord) -> Person:
    """A person as the API shows them."""
    consent = None
    if record.consent_at is not None and record.consent_policy_version is not None:
        consent = Consent(policy_version=record.consent_policy_version, given_at=record.consent_at)
    return Person(
        id=record.id,
        name=record.name,
        aliases=record.aliases,
        consent=consent,
        photos=record.photos,
        accepted_photos=record.accepted_photos,
        scenes=record.scenes,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def before(position: Position) -> tuple[datetime, UUID]:
    """Where a list that is ordered by time goes on.

    Raises:
        InputError: `invalid_page_token`.
    """
    match position:
        case (str(created_at), str(found_id)):
            return datetime.fromisoformat(created_at), UUID(found_id)
    raise InputError("invalid_page_token")


def _consent(tx: Connection, user_id: UUID, person_id: UUID, given: ConsentGiven) -> None:
    if records.consent(tx, user_id, person_id, given.policy_version):
        audit.record(
            tx,
            user_id,
            "person.consent_given",
            subject_id=person_id,
            code=given.policy_version,
        )
