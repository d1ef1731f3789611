"""What happens in a story once its video is indexed: deletions, exports, operators' orders, age."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from common.messages import DEAD_LETTER_TOPIC, RunReady, encode
from tests.faults import enrolment
from tests.faults.waiting import for_pushes

if TYPE_CHECKING:
    from tests.faults.story import Story

#: Beyond the notice of a video's end.
_DAYS: Final = 8.0
#: Beyond the time for which archives, past exports and letters are kept.
_MANY_DAYS: Final = 31.0
_OPERATOR: Final = "somebody"
#: What cannot be read is buried again when it is sent again.
_BURIED_AGAIN: Final = 2
#: Nothing before it is made again by the operator's order.
_FROM_STAGE: Final = "sidecar_build"


def rename(story: Story) -> None:
    """Another title."""
    body = {"title": "another"}
    story.ask("rename", "PATCH", f"/v1/videos/{story.video_id}", (200,), body=body)


def export(story: Story) -> None:
    """Ask for an archive, and wait until it is there."""
    story.ask("export", "POST", "/v1/exports", (202,), body={})
    story.settle()


def outlive(story: Story) -> None:
    """Time passes for the archive, for what is known of it, and for letters."""
    story.world.pass_days(story.user_id, _MANY_DAYS)
    story.sweep_late()


def overdraw(story: Story) -> None:
    """Ask for what the plan does not allow: that is on record once, and nothing else happens."""
    story.world.rows(
        "INSERT INTO quota_buckets (user_id, bucket, full_at) "
        "VALUES (:id, 'exports', now() + interval '1 day')",
        id=story.user_id,
    )
    for _ in range(2):
        story.ask("export", "POST", "/v1/exports", (429,), body={})
    refusals = _events(story, "quota.refused")
    if refusals != 1:
        story.complaints.append(f"{refusals} refusals are on record")


def rerun(story: Story) -> None:
    """An operator has the last stages made again."""
    _order(story)
    story.settle()
    _look_at_notes(story)


def resume(story: Story) -> None:
    """A letter says that nobody took the run's message: it is replayed while the run waits."""
    _order(story)
    (run,) = story.world.rows(
        "SELECT id FROM runs WHERE user_id = :id AND state = 'ready'", **_id(story)
    )
    ready = RunReady(user_id=story.user_id, run_id=run.id, lane="gpu")
    story.world.bus.publish(DEAD_LETTER_TOPIC, encode(ready).encode(), {}, effect="test.publish")
    for_pushes(story.world)
    (letter,) = story.world.rows("SELECT id FROM dead_letters WHERE run_id = :id", id=run.id)
    story.operate("dead-letters", "--replay", letter.id, "--by", _OPERATOR)
    story.settle()
    _look_at_notes(story)
    _look_at_replayed(story, letter.id)


def _order(story: Story) -> None:
    order = ("rerun", str(story.video_id), "--from-stage", _FROM_STAGE)
    story.operate(*order, "--reason", "a test", "--by", _OPERATOR)


def _look_at_notes(story: Story) -> None:
    notes = story.world.rows(
        "SELECT operator, from_stage FROM interventions WHERE user_id = :id", **_id(story)
    )
    if [tuple(note) for note in notes] != [(_OPERATOR, _FROM_STAGE)]:
        story.complaints.append(f"on record as made again: {notes}")


def replay(story: Story) -> None:
    """An operator has a letter that nobody could read sent again."""
    letter, *_ = story.world.rows("SELECT id FROM dead_letters WHERE user_id IS NULL")
    story.operate("dead-letters", "--replay", letter.id, "--by", _OPERATOR)
    story.settle()
    (buried,) = story.world.rows("SELECT count(*) AS letters FROM dead_letters")
    if buried.letters < _BURIED_AGAIN:
        story.complaints.append("the letter was not sent again")
    _look_at_replayed(story, letter.id)


def _look_at_replayed(story: Story, letter_id: str) -> None:
    replayed = story.world.rows(
        "SELECT id FROM dead_letters WHERE replayed_by = :operator", operator=_OPERATOR
    )
    if [row.id for row in replayed] != [letter_id]:
        story.complaints.append(f"{len(replayed)} letters are marked as replayed")


def expire(story: Story) -> None:
    """The video's time is nearly over: that is announced, and a week later it is deleted."""
    story.world.rows(
        "UPDATE videos SET expires_at = now() + interval '1 day' WHERE user_id = :id", **_id(story)
    )
    for action in ("video.expiry_announced", "video.expired"):
        story.sweep_late()
        if (number := _events(story, action)) != 1:
            story.complaints.append(f"{action} is on record {number} times")
        story.world.pass_days(story.user_id, _DAYS)
    story.settle()


def delete(story: Story) -> None:
    """The user deletes the video."""
    story.delete()
    story.settle()


def leave(story: Story) -> None:
    """The user deletes the account; whoever asks again may find no account any more."""
    path = "/v1/me?confirm=delete-everything"
    story.ask("leave", "DELETE", path, (204, 401, 404))
    story.settle()
    if (number := _events(story, "account.deleted")) != 1:
        story.complaints.append(f"the account's deletion is on record {number} times")


def _events(story: Story, action: str) -> int:
    (row,) = story.world.rows(
        "SELECT count(*) AS number FROM audit_events WHERE user_id = :id AND action = :action",
        action=action,
        **_id(story),
    )
    return int(row.number)


def _id(story: Story) -> dict[str, Any]:
    return {"id": story.user_id}


#: By the names in plans, in the order in which they happen.
ERRANDS: Final[Mapping[str, Callable[[Story], None]]] = {
    "rename": rename,
    "export": export,
    "outlive": outlive,
    "overdraw": overdraw,
    "rerun": rerun,
    "resume": resume,
    "replay": replay,
    "enrol": enrolment.enrol,
    "unlearn": enrolment.unlearn,
    "expire": expire,
    "delete": delete,
    "leave": leave,
}
#: After these search no longer finds the video that it found before.
ENDINGS: Final = frozenset({"expire", "delete", "leave"})
