"""One run: a user uploads, the platform works, faults happen, the platform recovers.

Whoever is to meet a fault runs in a forked child; all others run in the harness on connections
that are warm. What the platform would do about a dead process is done here: the client tries
again, events and pushes are delivered again, Cloud Run starts workers, Cloud Scheduler sweeps.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from common.domain import LANES
from common.web.auth import user_id_of
from tests.faults.actors import ROLES, push_body
from tests.faults.cast import DOORS, ROLE_OF
from tests.faults.errands import ERRANDS
from tests.faults.leftovers import left
from tests.faults.performance import Performance
from tests.faults.plan import Plan
from tests.faults.stages import WORD
from tests.faults.waiting import for_executions, for_pushes
from tests.faults.wiring import PROJECT, Wiring
from tests.faults.world import World

CONTENT: Final = "a video ".ljust(100, ".")
#: Time that passes between two sweeps; beyond every lease, pause and settling time.
_ROUND_S: Final = 200.0
#: An event that a function takes is delivered long before; else the sweep finds the object first.
_DELIVERY_S: Final = 30.0
#: A run that needs more rounds of recovery than this is stuck.
MAX_ROUNDS: Final = 14
_TRIES: Final = 8
#: Beyond the time in which an announced upload may arrive.
_EXPIRED_S: Final = 7_200.0


class Stuck(Exception):
    """A run that does not come to its end."""


class Story:
    """One run of one plan.

    Args:
        world: where it happens.
        plan: what goes wrong.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        self.world, self.plan = world, plan
        self.uid = f"u{uuid4().hex}"
        (world.accounts / self.uid).touch()
        self.user_id: UUID = user_id_of(PROJECT, self.uid)
        self.video_id: UUID | None = None
        #: Statuses that the API answered with, by actor.
        self.answers: list[tuple[str, int, str]] = []
        #: Videos that search found at the end.
        self.found: set[UUID] = set()
        self.rounds = 0
        #: Points that children passed, by actor.
        self.trace: Counter[tuple[str, str]] = Counter()
        self.codes: list[tuple[str, int]] = []
        #: What a plan's own checks found.
        self.complaints: list[str] = []
        #: How often the fault at the plan's point happened.
        self.hits = 0
        self._met = 0
        self._number = 0
        self._live: list[Performance] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        """From the announcement to the last sweep.

        Raises:
            Stuck: it does not end.
        """
        self.world.answer = self._answer_door
        try:
            if self.plan.setup is not None:
                self.plan.setup(self)
            self._tell()
        finally:
            self.world.answer = lambda *_: 503
            self.world.start_postgres()
            for performance in self._live:
                performance.end()

    def _tell(self) -> None:
        """The story, as it goes without faults."""
        target = self._announce()
        if "extend" in self.plan.errands:
            self.ask("extend", "POST", f"/v1/uploads/{self.video_id}/urls", (200,), body={})
        if "abandon" in self.plan.errands:
            self.world.pass_time(_EXPIRED_S)
        else:
            self._send(target)
        self.settle()
        answer = self.ask("search", "GET", f"/v1/search?q={WORD}", (200,))
        self.found = {UUID(hit["video_id"]) for hit in answer["body"]["hits"]}
        for name, errand in ERRANDS.items():
            if name in self.plan.errands:
                errand(self)

    def _announce(self) -> dict[str, Any]:
        """Say what will be uploaded; returns where to send it."""
        video = {
            "content_type": "video/mp4",
            "size_bytes": len(self.plan.content or CONTENT),
            "resumable": False,
        }
        answer = self.ask(
            "api",
            "POST",
            "/v1/uploads",
            (201,),
            body={"video": video},
            headers={"Idempotency-Key": uuid4().hex},
        )
        self.video_id = UUID(answer["body"]["video"]["id"])
        (target,) = answer["body"]["uploads"]
        return dict(target)

    def _send(self, target: dict[str, Any]) -> None:
        content = self.plan.content or CONTENT
        self.send({"url": target["url"], "headers": target["headers"], "data": content})

    def send(self, put: dict[str, Any]) -> None:
        """A client sends a file to a signed URL."""
        # 412: the object is there already, by an attempt whose answer was lost.
        self._until("client", put, (200, 412))

    def next_number(self) -> int:
        """Another one each time: what a client tells its requests apart by."""
        self._number += 1
        return self._number

    def act(self, actor: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """Let an actor do something; None if its process died or failed."""
        if self._meets(actor):
            return self._meet(actor, request)
        if actor in LANES and self.plan.later and (self._met or not self.plan.actor):
            return self._child_answer(actor, request, self.plan.later)
        if self.plan.traced:
            return self._child_answer(actor, request, {})
        return _in_process(ROLES[ROLE_OF[actor]], self.world.wiring, request)

    def settle(self) -> None:
        """Work, and sweep as time passes, until nothing is left to do.

        Raises:
            Stuck: there is still something after `MAX_ROUNDS`.
        """
        for _ in range(MAX_ROUNDS):
            self.world.storage.wait_delivered(_DELIVERY_S)
            self.work()
            for_pushes(self.world)
            if self._is_settled():
                break
            self.rounds += 1
            self.world.pass_time(self._pause_s())
            self.sweep()
        else:
            raise Stuck(f"unsettled after {MAX_ROUNDS} rounds: {self._left()}")
        # What was acknowledged late, and erasures that only now are settled.
        self.world.pass_time(_ROUND_S)
        self.sweep()
        self.work()
        for_pushes(self.world)

    def _pause_s(self) -> float:
        """Until a sweep has something to do."""
        left = {kind for kind, count in self._left().items() if count}
        # An upload under way may come to its end long after its URL has expired.
        return _EXPIRED_S if left <= {"erasures", "face_erasures"} else _ROUND_S

    def work(self) -> None:
        """Workers of both lanes, as long as there are messages for them."""
        if self.plan.actor == "dispatch":
            for_executions(self.world)
            if self._left()["runs"]:
                # Cloud Run alone starts workers; what is left to us is to clear repeated messages.
                return
        for lane in LANES:
            if self.world.pubsub.backlog(f"heimdex-{lane}-work"):
                self.act(lane, {"lane": lane})

    def sweep(self) -> None:
        """One sweep, as Cloud Scheduler has it pushed."""
        self.act("sweep", {"body": push_body("heimdex-sweep-push")})

    def others_go_on(self) -> None:
        """A lease's time passes, and others do what there is to do."""
        self.world.pass_time(_ROUND_S)
        self.sweep()
        self.work()

    def delete(self) -> None:
        """The user deletes the video; what is gone already is as good."""
        self.ask("delete", "DELETE", f"/v1/videos/{self.video_id}", (204, 404))

    def operate(self, *arguments: str) -> None:
        """An operator has a command carried out."""
        self._until("operator", {"arguments": arguments}, (0,))

    def sweep_late(self) -> None:
        """A sweep that finds what is kept for days, repeated until it comes to its end."""
        self._until("late_sweep", {"body": push_body("heimdex-sweep-push")}, (204,))

    def ask(
        self, actor: str, method: str, path: str, statuses: tuple[int, ...], **more: Any
    ) -> dict[str, Any]:
        return self._until(actor, {"method": method, "path": path, **more}, statuses)

    def _until(
        self, actor: str, request: dict[str, Any], statuses: tuple[int, ...]
    ) -> dict[str, Any]:
        """Ask again as a client does, until an answer is one of those."""
        for _ in range(_TRIES):
            answer = self.act(actor, request | {"uid": self.uid})
            if answer is not None:
                status = int(answer["status"])
                self.answers.append((actor, status, str(answer.get("retry_after", ""))))
                if status in statuses:
                    return answer
            self.world.start_postgres()
        raise Stuck(f"{actor}: no success in {_TRIES} tries: {self.answers[-3:]}")

    def _meets(self, actor: str) -> bool:
        with self._lock:
            if actor != self.plan.actor or self._met >= self.plan.times:
                return False
            self._met += 1
            return True

    def _meet(self, actor: str, request: dict[str, Any]) -> dict[str, Any] | None:
        plan = self.plan
        if plan.before is not None:
            plan.before(self)
        others = [
            threading.Thread(target=self._child_answer, args=(actor, request, plan.options))
            for _ in range(plan.copies - 1)
        ]
        for other in others:
            other.start()
        hits = self.hits
        answer = self._child_answer(actor, request, plan.options, plan)
        if plan.point and self.hits == hits:
            # It did not get that far; the next one may.
            self._met -= 1
        for other in others:
            other.join()
        if plan.after is not None:
            plan.after(self)
        return answer

    def _child_answer(
        self,
        actor: str,
        request: dict[str, Any],
        options: Mapping[str, Any],
        plan: Plan | None = None,
    ) -> dict[str, Any] | None:
        """Let a child do it, and the plan's fault meet it; None if it died or failed."""
        performance = Performance(self.world, ROLE_OF[actor], request, options, plan)
        with self._lock:
            self._live.append(performance)
        for child in performance.stops():
            self.hits += 1
            assert plan is not None
            assert plan.deed is not None
            plan.deed(self, child)
        with self._lock:
            self.trace.update((actor, point) for point in performance.points())
            self.codes.append((actor, performance.code))
            self.hits += performance.was_killed
        return performance.answer()

    def _answer_door(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """An event, a push or an execution; a process that died is a 500."""
        if path == "/meanwhile":
            if self.plan.meanwhile is not None:
                self.plan.meanwhile(self)
            return 204
        if path in DOORS:
            answer = self.act(DOORS[path], {"body": body.decode()})
        elif path == "/event":
            answer = self.act("finalize", {"headers": headers, "body": body.decode()})
        elif path.startswith("/work/"):
            lane = path.rpartition("/")[2]
            answer = self.act(lane, {"lane": lane})
            return 500 if answer is None else 204
        elif self.plan.actor == "dispatch":
            answer = self.act("dispatch", {"body": body.decode()})
        else:
            # The harness looks after the lanes by itself.
            return 204
        return 500 if answer is None else int(answer["status"])

    def _is_settled(self) -> bool:
        return not any(self._left().values())

    def _left(self) -> Mapping[str, int]:
        return left(self.world, self.user_id)


def _in_process(role: Any, wiring: Wiring, request: dict[str, Any]) -> dict[str, Any] | None:
    """A role on the harness's own connections; what it raises, its platform would see as a 500."""
    try:
        answer: dict[str, Any] = role(wiring, request)
    except Exception:  # noqa: BLE001 (a process's last stop)
        return None
    return answer
