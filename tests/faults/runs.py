"""One plan, run and judged."""

from __future__ import annotations

import time
import traceback
from uuid import UUID

from tests.faults import content
from tests.faults.cast import ROLE_OF
from tests.faults.ended import Bystander, Ended
from tests.faults.errands import ENDINGS
from tests.faults.oracle import verdict
from tests.faults.plan import Plan
from tests.faults.story import Story, Stuck
from tests.faults.world import World


def make_bystander(world: World) -> Bystander:
    """A tenant whose video is indexed without any fault; what it looks like is the measure."""
    story = Story(world, Plan())
    story.run()
    assert story.video_id is not None
    assert story.found == {story.video_id}
    # Nothing of it is left for anybody to do, however long others' stories take.
    world.rows("DELETE FROM outbox WHERE user_id = :id", id=story.user_id)
    world.rows("SELECT set_tier(:id, 'enterprise')", id=story.user_id)
    return Bystander(
        user_id=story.user_id,
        video_id=story.video_id,
        fingerprint=content.fingerprint(world, story.user_id, story.video_id),
        state=content.tenant_state(world, story.user_id),
    )


def run(world: World, plan: Plan, bystander: Bystander) -> tuple[Story, list[str]]:
    """Carry a plan out and judge how it ended; the world is as before afterwards."""
    story, started_s, stuck = Story(world, plan), time.monotonic(), ""
    try:
        try:
            story.run()
        except (Stuck, TimeoutError) as error:
            stuck = str(error)
        except Exception:  # noqa: BLE001 (a finding, too)
            stuck = traceback.format_exc()
        ended = Ended(
            world=world,
            user_id=story.user_id,
            video_id=story.video_id or UUID(int=0),
            expect=plan.expect,
            bystander=bystander,
            seconds=time.monotonic() - started_s,
            stuck=stuck,
        )
        missed = (plan.point and not story.hits) or story.rounds < plan.expect.rounds
        complaints = [*story.complaints, *(["the fault did not happen"] if missed else [])]
        return story, [*verdict(ended), *complaints, *_of_answers(story), *_of_search(story)]
    finally:
        world.forget(story.user_id)


def _of_answers(story: Story) -> list[str]:
    """What an API answers while its services are away: 503, and when to come again."""
    return [
        f"API {actor} answered {status}, Retry-After {after!r}"
        for actor, status, after in story.answers
        if ROLE_OF[actor] == "api"
        and (status == 500 or (status == 503 and not 0 < int(after or 0) <= 10))
    ]


def _of_search(story: Story) -> list[str]:
    plan = story.plan
    findable = plan.expect.state == "indexed" or ENDINGS & plan.errands or plan.meanwhile
    expected = {story.video_id} if findable else set()
    return [] if story.found == expected else [f"search found {len(story.found)} videos"]
