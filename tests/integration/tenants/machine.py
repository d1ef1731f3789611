"""What eight tenants do, in any order, and how each of them looks for what is another's."""

from __future__ import annotations

import json
import re
from typing import ClassVar
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from common.people.consent import POLICY_VERSION
from common.web.routes import Route
from functions.api.routes import routes
from tests.integration.tenants.world import TENANTS, Answer, Tenant, World

_WITH_ID = [route for route in routes if UUID in route.path_parameters.values()]
_READ = [route for route in _WITH_ID if route.method == "GET"]
_BODIES: dict[str, object] = {
    "rename_video": {"title": "mine"},
    "refresh_urls": {},
    "rename_person": {"name": "mine"},
    "give_person_consent": {"policy_version": POLICY_VERSION},
    "create_photo": {"content_type": "image/jpeg", "size_bytes": 1000},
}
_LISTS = (
    "/v1/videos",
    "/v1/people",
    "/v1/faces/clusters",
    "/v1/faces/consent",
    "/v1/me",
    "/v1/healthz",
    "/v1/problems/not_found",
)

#: One of the eight.
_WHO = st.integers(0, TENANTS - 1)
#: Which of what they have, counted round.
_WHICH = st.integers(0, 50)


class TenantsMachine(RuleBasedStateMachine):
    """Every rule is one or two requests of one tenant; `World.call` looks at every answer."""

    #: Set by the test: functions and database are shared by all runs, tenants are new in each.
    world: ClassVar[World]

    @initialize()
    def arrive(self) -> None:
        """Each tenant has one indexed video, so that there is something to look for."""
        self.all = self.world.tenants()
        for tenant in self.all:
            self.world.index(tenant, self._upload(tenant))

    # --- what is one's own ------------------------------------------------------------------------

    @rule(who=_WHO)
    def upload(self, who: int) -> None:
        """Declare a video."""
        self._upload(self.all[who])

    @rule(who=_WHO, which=_WHICH)
    def index(self, who: int, which: int) -> None:
        """A video's processing ends."""
        tenant = self.all[who]
        self.world.index(tenant, self._video(tenant, which))

    @rule(who=_WHO, which=_WHICH, route=st.sampled_from(_READ))
    def read(self, who: int, which: int, route: Route) -> None:
        """Anything of one's own."""
        tenant = self.all[who]
        answer = self.world.call(tenant, "GET", _path(route, self._ids(tenant, which)))
        assert answer.status == 200, answer

    @rule(who=_WHO, path=st.sampled_from(_LISTS))
    def look_around(self, who: int, path: str) -> None:
        """Lists, counts, and what everybody may read."""
        tenant = self.all[who]
        answer = self.world.call(tenant, "GET", path)
        assert answer.status == 200
        if path == "/v1/me":
            assert answer.body["counts"]["videos"] == len(tenant.videos)

    @rule(who=_WHO)
    def turn_pages(self, who: int) -> None:
        """The list in pages of one holds exactly one's own videos."""
        tenant = self.all[who]
        seen: set[UUID] = set()
        query: dict[str, object] = {"page_size": 1}
        for _ in range(4):
            page = self.world.call(tenant, "GET", "/v1/videos", query=query).body
            seen |= {UUID(video["id"]) for video in page["videos"]}
            if page["next_page_token"] is None:
                assert seen == set(tenant.videos)
                break
            tenant.page_token = str(page["next_page_token"])
            query = {"page_size": 1, "page_token": tenant.page_token}
        assert seen <= set(tenant.videos)

    @rule(who=_WHO, which=_WHICH)
    def rename(self, who: int, which: int) -> None:
        """The title keeps the tenant's mark, so that it can be recognised anywhere."""
        tenant = self.all[who]
        body = {"title": f"{tenant.mark} {which}"}
        path = f"/v1/videos/{self._video(tenant, which)}"
        assert self.world.call(tenant, "PATCH", path, body=body).status == 200

    @rule(who=_WHO, which=_WHICH)
    def delete(self, who: int, which: int) -> None:
        """Afterwards it answers like one that never was, to its owner too."""
        tenant = self.all[who]
        path = f"/v1/videos/{(video_id := self._video(tenant, which))}"
        del tenant.videos[video_id]
        assert self.world.call(tenant, "DELETE", path).status == 204
        gone = self.world.call(tenant, "GET", path)
        assert gone.like() == self.world.call(tenant, "GET", f"/v1/videos/{uuid4()}").like()

    @rule(
        who=_WHO,
        whose=_WHO,
        words=st.sampled_from(("the train", "{}", "EXIT {}", "red car at night", '"{}"', "기차")),
        posted=st.booleans(),
    )
    def search(self, who: int, whose: int, words: str, posted: bool) -> None:
        """By common words, one's own, and those that only another's videos contain."""
        tenant, asked = self.all[who], {"q": words.format(self.all[whose].mark)}
        if posted:
            answer = self.world.call(tenant, "POST", "/v1/search", body=asked)
        else:
            answer = self.world.call(tenant, "GET", "/v1/search", query=asked)
        assert answer.status == 200
        self.world.searched_hits += len(answer.body["hits"])
        for hit in answer.body["hits"]:
            assert UUID(hit["video_id"]) in tenant.videos

    @rule(who=_WHO, which=_WHICH)
    def search_like(self, who: int, which: int) -> None:
        """More like one of one's own scenes."""
        tenant = self.all[who]
        scene = str(self._ids(tenant, which)["scene_id"])
        answer = self.world.call(tenant, "GET", "/v1/search", query={"scene_id": scene})
        assert answer.status == 200
        self.world.searched_hits += len(answer.body["hits"])

    @rule(who=_WHO, said=st.sampled_from(("name", "merge", "split", "deny", "undo", "redo")))
    def say_who_it_is(self, who: int, said: str) -> None:
        """Decisions about one's own faces; some are refused, and say so."""
        tenant = self.all[who]
        faces = self._meet(tenant)
        path, body = {
            "name": ("clusters/{cluster_id}/name", {"person_id": faces["person_id"]}),
            "merge": ("clusters/{cluster_id}/merge", {"cluster_id": faces["other_cluster_id"]}),
            "split": ("clusters/{cluster_id}/split", {"face_ids": [faces["face_id"]]}),
            "deny": ("../people/{person_id}/not-them", {"face_ids": [faces["face_id"]]}),
            "undo": ("undo", {}),
            "redo": ("redo", {}),
        }[said]
        address = ("/v1/faces/" + path.format(**faces)).replace("faces/../", "")
        sent = json.loads(json.dumps(body, default=str)) or None
        answer = self.world.call(tenant, "POST", address, body=sent)
        assert answer.status in (200, 201, 204, 400, 404, 409), answer
        if isinstance(answer.body, dict) and "best_face" in answer.body:
            self.world.own(tenant, UUID(answer.body["id"]))

    @rule(who=_WHO, whose=_WHO)
    def search_somebody(self, who: int, whose: int) -> None:
        """By one's own people's names, and by those of others."""
        tenant, other = self.all[who], self.all[whose]
        self._meet(tenant)
        answer = self.world.call(tenant, "GET", "/v1/search", query={"q": f"{other.mark} waving"})
        assert answer.status == 200
        people = answer.body["query"]["people"]
        assert bool(people) == (who == whose)
        assert {each["person_id"] for each in people} <= {str(tenant.faces["person_id"])}

    # --- what is another's ------------------------------------------------------------------------

    @rule(
        who=_WHO,
        step=st.integers(1, TENANTS - 1),
        which=_WHICH,
        tried=st.lists(st.sampled_from(_WITH_ID), min_size=5, max_size=8),
    )
    def probe_routes(self, who: int, step: int, which: int, tried: list[Route]) -> None:
        """Any route with another's ids, and with ids that are nobody's: the same answer."""
        tenant, victim = self._two(who, step)
        ids = self._ids(victim, which)
        self._meet(tenant)
        for route in tried:
            body = _BODIES.get(route.name) or _said(route, victim)
            foreign, missing = (
                self.world.call(tenant, route.method, _path(route, each), body=body)
                for each in (ids, {name: uuid4() for name in ids})
            )
            assert foreign.status == 404
            self._same(foreign, missing)
        unharmed = self.world.call(victim, "GET", f"/v1/videos/{ids['video_id']}")
        assert (unharmed.status, unharmed.body["title"] == "mine") == (200, False)

    @rule(
        who=_WHO,
        step=st.integers(1, TENANTS - 1),
        which=_WHICH,
        name=st.sampled_from(("scene_id", "video_id", "person_id")),
    )
    def probe_search(self, who: int, step: int, which: int, name: str) -> None:
        """Search like another's scene, in another's video, for another's person."""
        tenant, victim = self._two(who, step)
        foreign = self._ids(victim, which)
        words = {} if name == "scene_id" else {"q": "the train"}
        answers = [
            self.world.call(tenant, "GET", "/v1/search", query={**words, name: str(each)})
            for each in (foreign[name], uuid4())
        ]
        assert answers[0].status == (404 if name == "scene_id" else 200)
        assert not answers[0].body.get("hits")
        self._same(*answers)

    @rule(who=_WHO, step=st.integers(1, TENANTS - 1))
    def probe_page_token(self, who: int, step: int) -> None:
        """Another's page token is worth as much as one that is made up."""
        tenant, victim = self._two(who, step)
        stolen = victim.page_token or "A" * 60
        foreign, invented = (
            self.world.call(
                tenant, "GET", "/v1/videos", query={"page_size": 1, "page_token": token}
            )
            for token in (stolen, "A" * 60)
        )
        assert (foreign.status, foreign.body["code"]) == (400, "invalid_page_token")
        self._same(foreign, invented)

    @rule(who=_WHO, step=st.integers(1, TENANTS - 1), key=st.integers(0, 3))
    def probe_idempotency_key(self, who: int, step: int, key: int) -> None:
        """Two tenants with one key and one request have two uploads, each its own."""
        made = [self._upload(tenant, key=f"key-{key}") for tenant in self._two(who, step)]
        assert made[0] != made[1]
        self.world.probes += 1

    # ----------------------------------------------------------------------------------------------

    def _upload(self, tenant: Tenant, key: str = "") -> UUID:
        answer = self.world.call(
            tenant,
            "POST",
            "/v1/uploads",
            body={
                "title": f"{tenant.mark} 0" if not key else None,
                "video": {"content_type": "video/mp4", "size_bytes": 1000},
            },
            headers={"Idempotency-Key": key} if key else {},
        )
        assert answer.status == 201, answer
        video_id = UUID(answer.body["video"]["id"])
        self.world.own(tenant, video_id)
        # The answer of a key that was used before may be of a video that is deleted by now.
        if self.world.call(tenant, "GET", f"/v1/videos/{video_id}").status == 200:
            tenant.videos.setdefault(video_id, [])
        return video_id

    def _video(self, tenant: Tenant, which: int) -> UUID:
        if not tenant.videos:
            self._upload(tenant)
        return list(tenant.videos)[which % len(tenant.videos)]

    def _ids(self, tenant: Tenant, which: int) -> dict[str, UUID]:
        """A video that is there, one of its scenes, and an archive."""
        video_id = self._video(tenant, which)
        if not tenant.videos[video_id]:
            self.world.index(tenant, video_id)
        scenes = tenant.videos[video_id]
        return {
            "video_id": video_id,
            "scene_id": scenes[which % len(scenes)],
            "export_id": self.world.export(tenant),
            **self._meet(tenant),
        }

    def _meet(self, tenant: Tenant) -> dict[str, UUID]:
        video_id = self._video(tenant, 0)
        return self.world.meet(tenant, video_id)

    def _two(self, who: int, step: int) -> tuple[Tenant, Tenant]:
        return self.all[who], self.all[(who + step) % TENANTS]

    def _same(self, foreign: Answer, missing: Answer) -> None:
        self.world.probes += 1
        assert foreign.like() == missing.like()


def _said(route: Route, victim: Tenant) -> object:
    """What is said about faces, with another's ids; None for other routes."""
    faces = {name: str(each) for name, each in victim.faces.items()}
    said: dict[str, object] = {
        "name_cluster": {"person_id": faces["person_id"]},
        "merge_clusters": {"cluster_id": faces["other_cluster_id"]},
        "split_cluster": {"face_ids": [faces["face_id"]]},
        "merge_people": {"person_id": faces["person_id"]},
        "deny_faces": {"face_ids": [faces["face_id"]]},
    }
    return said.get(route.name)


def _path(route: Route, ids: dict[str, UUID]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: str(ids[match[1]]), route.path)
