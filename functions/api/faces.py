"""`/v1/faces`: who appears in the user's videos, and who they are."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection

from common import audit
from common.errors import InputError
from common.people import albums, scene_faces
from common.people.albums import ClusterRecord, FaceRecord, Naming
from common.people.decisions import Decisions
from common.people.journal import Kind
from common.web.models import BodyModel, PageQuery, ResponseModel
from common.web.pages import Page, Position
from common.web.routes import Principal, RouteTable
from functions.api.names import Aliases, Name
from functions.api.people import ConsentGiven, make_person
from functions.api.services import Api

routes: RouteTable[Api] = RouteTable()

#: Faces that one request may speak of.
_MAX_FACES = 1_000
Faces = Annotated[tuple[UUID, ...], Field(min_length=1, max_length=_MAX_FACES)]


class FaceBox(ResponseModel):
    """Where in the frame; all four as fractions of it."""

    x: float
    y: float
    width: float
    height: float


class Face(ResponseModel):
    """A face in a frame of a video."""

    id: UUID
    video_id: UUID
    time_ms: int
    box: FaceBox
    quality: float = Field(ge=0, le=1)
    """How well it can be seen."""


class SuggestedPerson(ResponseModel):
    """Somebody whom the faces look like. The user says whether it is them."""

    person_id: UUID
    name: str


class Cluster(ResponseModel):
    """Faces that look like one person, over all videos."""

    id: UUID
    person_id: UUID | None
    """Who the user said it is; null for nobody yet."""
    person_name: str | None
    faces: int
    videos: int
    best_face: Face
    """The one that can be seen best."""
    suggestion: SuggestedPerson | None
    """Only while nobody said who it is."""


class Clusters(ResponseModel):
    """A page of clusters, the largest first."""

    clusters: tuple[Cluster, ...]
    next_page_token: str | None
    """None on the last page."""


class ClusterFaces(ResponseModel):
    """A page of a cluster's faces, those that can be seen best first."""

    faces: tuple[Face, ...]
    next_page_token: str | None
    """None on the last page."""


class ClusterQuery(PageQuery):
    """Which clusters."""

    naming: Naming | None = None
    """`unnamed` for those of nobody yet."""
    person_id: UUID | None = None
    """Only those of this person."""


class NewPerson(BodyModel):
    """Somebody who is not among the people yet."""

    name: Name
    aliases: Aliases = ()
    consent: ConsentGiven
    """The person's own consent to being known by their face."""


class ClusterName(BodyModel):
    """Who a cluster is: somebody known, or somebody new."""

    person_id: UUID | None = None
    new_person: NewPerson | None = None


class OtherCluster(BodyModel):
    """The cluster that is the same person."""

    cluster_id: UUID


class FacesToSplit(BodyModel):
    """Faces that are somebody else."""

    face_ids: Faces


class OtherPerson(BodyModel):
    """The person who is the same."""

    person_id: UUID


class NotThem(BodyModel):
    """Faces that are not the person: by their ids, or all that were taken for them in a scene."""

    face_ids: Faces | None = None
    scene_id: UUID | None = None


class Decision(ResponseModel):
    """What was undone or done again."""

    id: UUID
    kind: Kind


@routes.get("/v1/faces/clusters", summary="List clusters of faces, the largest first")
def list_clusters(
    services: Api, *, principal: Principal, tx: Connection, query: ClusterQuery, page: Page
) -> Clusters:
    """Everybody who appears in the user's videos, named or not."""
    found = albums.list_largest(
        tx,
        principal.user_id,
        limit=page.size + 1,
        naming=query.naming,
        person_id=query.person_id,
        after=_after_cluster(page.after) if page.after is not None else None,
    )
    shown = found[: page.size]
    more = len(found) > page.size
    last = (shown[-1].faces, str(shown[-1].id)) if more else ()
    return Clusters(
        clusters=tuple(_cluster(record) for record in shown),
        next_page_token=page.next(last) if more else None,
    )


@routes.get("/v1/faces/clusters/{cluster_id}", summary="Read a cluster")
def get_cluster(
    services: Api, *, principal: Principal, tx: Connection, cluster_id: UUID
) -> Cluster:
    """The cluster as it is now."""
    return _cluster(albums.find(tx, principal.user_id, cluster_id))


@routes.get("/v1/faces/clusters/{cluster_id}/faces", summary="List the faces of a cluster")
def list_cluster_faces(
    services: Api,
    *,
    principal: Principal,
    tx: Connection,
    cluster_id: UUID,
    query: PageQuery,
    page: Page,
) -> ClusterFaces:
    """To look through before naming it, and to find those that do not belong."""
    albums.find(tx, principal.user_id, cluster_id)
    after = _after_face(page.after) if page.after is not None else None
    found = albums.list_faces(tx, principal.user_id, cluster_id, limit=page.size + 1, after=after)
    shown = found[: page.size]
    more = len(found) > page.size
    last = (repr(shown[-1].quality), str(shown[-1].id)) if more else ()
    return ClusterFaces(
        faces=tuple(_face(record) for record in shown),
        next_page_token=page.next(last) if more else None,
    )


@routes.post(
    "/v1/faces/clusters/{cluster_id}/name",
    summary="Say who a cluster is",
    effect="cluster.name",
    status=200,
    errors=("consent_required", "faces_share_frame", "person_denied", "too_many_people"),
)
def name_cluster(
    services: Api, *, principal: Principal, tx: Connection, cluster_id: UUID, body: ClusterName
) -> Cluster:
    """At once, and in all videos. Takes the person's consent; can be undone."""
    user_id = principal.user_id
    if (body.person_id is None) == (body.new_person is None):
        raise InputError("invalid_request", "either person_id or new_person")
    decisions = Decisions(tx, user_id)
    if body.new_person is not None:
        new = body.new_person
        person_id = make_person(
            tx, user_id, name=new.name, aliases=new.aliases, consent=new.consent
        )
        decisions.name_cluster(cluster_id, person_id, created=True)
    elif body.person_id is not None:
        decisions.name_cluster(cluster_id, body.person_id)
    audit.record(tx, user_id, "cluster.named", subject_id=cluster_id)
    return _cluster(albums.find(tx, user_id, cluster_id))


@routes.post(
    "/v1/faces/clusters/{cluster_id}/merge",
    summary="Say that two clusters are one person",
    effect="cluster.merge",
    status=200,
    errors=("clusters_named_differently", "consent_required", "faces_share_frame"),
)
def merge_clusters(
    services: Api, *, principal: Principal, tx: Connection, cluster_id: UUID, body: OtherCluster
) -> Cluster:
    """The other one's faces join this one. Never if both are seen in one frame; can be undone."""
    Decisions(tx, principal.user_id).merge_clusters(cluster_id, body.cluster_id)
    audit.record(tx, principal.user_id, "cluster.merged", subject_id=cluster_id)
    return _cluster(albums.find(tx, principal.user_id, cluster_id))


@routes.post(
    "/v1/faces/clusters/{cluster_id}/split",
    summary="Say that some faces are somebody else",
    effect="cluster.split",
    errors=("consent_required",),
)
def split_cluster(
    services: Api, *, principal: Principal, tx: Connection, cluster_id: UUID, body: FacesToSplit
) -> Cluster:
    """Answers with the cluster that they become; can be undone."""
    made = Decisions(tx, principal.user_id).split_cluster(cluster_id, body.face_ids)
    audit.record(tx, principal.user_id, "cluster.split", subject_id=cluster_id)
    return _cluster(albums.find(tx, principal.user_id, made))


@routes.post(
    "/v1/people/{person_id}/merge",
    summary="Say that two people are one",
    effect="person.merge",
    errors=("consent_required", "faces_share_frame"),
)
def merge_people(
    services: Api, *, principal: Principal, tx: Connection, person_id: UUID, body: OtherPerson
) -> None:
    """The other one is part of this one from then on, with photos and names; can be undone."""
    Decisions(tx, principal.user_id).merge_people(person_id, body.person_id)
    audit.record(tx, principal.user_id, "person.merged", subject_id=person_id)


@routes.post(
    "/v1/people/{person_id}/not-them",
    summary="Say that faces are not this person",
    effect="person.deny",
    errors=("consent_required",),
)
def deny_faces(
    services: Api, *, principal: Principal, tx: Connection, person_id: UUID, body: NotThem
) -> None:
    """For ever, also in videos that are processed again; can be undone."""
    if (body.face_ids is None) == (body.scene_id is None):
        raise InputError("invalid_request", "either face_ids or scene_id")
    decisions = Decisions(tx, principal.user_id)
    faces = body.face_ids or ()
    if body.scene_id is not None:
        faces = scene_faces.of_person(tx, principal.user_id, body.scene_id, person_id)
    decisions.not_this_person(person_id, faces)
    audit.record(tx, principal.user_id, "person.denied", subject_id=person_id)


@routes.post(
    "/v1/faces/undo",
    summary="Undo the last decision about faces",
    effect="faces.undo",
    status=200,
    errors=("consent_required", "nothing_to_undo"),
)
def undo_decision(services: Api, *, principal: Principal, tx: Connection) -> Decision:
    """One after the other, the last first."""
    entry = Decisions(tx, principal.user_id).undo()
    audit.record(tx, principal.user_id, "faces.undone")
    return Decision(id=entry.id, kind=entry.kind)


@routes.post(
    "/v1/faces/redo",
    summary="Do the decision again that was undone last",
    effect="faces.redo",
    status=200,
    errors=("consent_required", "nothing_to_undo"),
)
def redo_decision(services: Api, *, principal: Principal, tx: Connection) -> Decision:
    """Until another decision is made."""
    entry = Decisions(tx, principal.user_id).redo()
    audit.record(tx, principal.user_id, "faces.redone")
    return Decision(id=entry.id, kind=entry.kind)


def _cluster(record: ClusterRecord) -> Cluster:
    suggestion = None
    if record.suggested_id is not None and record.suggested_name is not None:
        suggestion = SuggestedPerson(person_id=record.suggested_id, name=record.suggested_name)
    return Cluster(
        id=record.id,
        person_id=record.person_id,
        person_name=record.person_name,
        faces=record.faces,
        videos=record.videos,
        best_face=_face(record.best),
        suggestion=suggestion,
    )


def _face(record: FaceRecord) -> Face:
    x, y, width, height = record.box
    return Face(
        id=record.id,
        video_id=record.video_id,
        time_ms=record.time_ms,
        box=FaceBox(x=x, y=y, width=width, height=height),
        quality=record.quality,
    )


def _after_cluster(position: Position) -> tuple[int, UUID]:
    match position:
        case (int(faces), str(cluster_id)):
            return faces, UUID(cluster_id)
    raise InputError("invalid_page_token")


def _after_face(position: Position) -> tuple[float, UUID]:
    match position:
        case (str(quality), str(face_id)):
            return float(quality), UUID(face_id)
    raise InputError("invalid_page_token")
