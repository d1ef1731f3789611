"""What operators do with runs: `python -m gpu_jobs.admin --help`.

It sees ids, states, codes and times, and never content: its database role cannot read titles,
transcripts or names.
"""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final, TypeVar
from uuid import UUID

from common import log
from common.bus import Bus
from common.config import Settings, load
from common.database import Database
from common.errors import ConfigError, HeimdexError, NotFoundError, TransientError
from common.ledger.facts import Filter
from common.ledger.inspection import Inspection
from common.ledger.outbox import Outbox
from common.ledger.replay import Replays
from common.ledger.rescue import Order, Rescues
from common.ledger.residue import Residue
from common.storage import ObjectStore
from gpu_jobs.admin import present, reports
from gpu_jobs.admin.present import Result

FAILED, NOT_FOUND, REFUSED = 1, 3, 4

_EPILOG = """\
examples:
  python -m gpu_jobs.admin list --state failed --older-than 1h
  python -m gpu_jobs.admin list --runs --state dead
  python -m gpu_jobs.admin explain 0b1c…            what happened to a video, and why
  python -m gpu_jobs.admin rerun 0b1c… --reason "decoder fixed" --from-stage scene_detect
  python -m gpu_jobs.admin dead-letters --replay 4711
  python -m gpu_jobs.admin residue 0b1c…            what is left of a deleted video or user
  python -m gpu_jobs.admin users                    who has how much
  python -m gpu_jobs.admin videos --since 1d        states, backlog, waiting and stage times
  python -m gpu_jobs.admin failures --since 7d      why videos failed, what quotas refused
  python -m gpu_jobs.admin cost --since 30d         what processing cost, per indexed minute too

HEIMDEX_DATABASE_URL (or HEIMDEX_DATABASE_USER with Cloud SQL) must log in as heimdex_operator.
Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not possible in its state,
5 something is left (residue).
"""
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAX_REASON: Final = 500


class Services:
    """What the commands talk to; each is connected when first needed.

    Args:
        settings: database as `heimdex_operator`, and Pub/Sub.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.db = Database.connect(settings)

    def close(self) -> None:
        """Close the pool."""
        self.db.close()


Command = Callable[[Services, argparse.Namespace], Result]
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    log.configure("admin", level="WARNING", stream=sys.stderr)
    command: Command = options.command
    try:
        with closing(Services(load())) as services:
            result = command(services, options)
    except HeimdexError as error:
        present.error(error, as_json=options.json)
        return _status_of(error)
    present.result(result, as_json=options.json)
    return result.status


def _status_of(error: HeimdexError) -> int:
    if isinstance(error, NotFoundError):
        return NOT_FOUND
    if isinstance(error, (TransientError, ConfigError)):
        return FAILED
    return REFUSED


def _list(services: Services, options: argparse.Namespace) -> Result:
    wanted = Filter(
        state=options.state,
        user_id=options.user,
        older_than_s=options.older_than,
        limit=options.limit,
    )
    inspection = Inspection(services.db)
    if options.runs:
        return present.lines("runs", inspection.runs(wanted))
    return present.lines("videos", inspection.videos(wanted))


def _explain(services: Services, options: argparse.Namespace) -> Result:
    inspection = Inspection(services.db)
    owner = inspection.owner(options.video)
    explanation = inspection.explain(owner, options.video) if owner is not None else None
    if explanation is not None:
        return present.explanation(explanation)
    receipt = inspection.receipt(options.video)
    if receipt is None:
        raise NotFoundError(f"video {options.video}")
    return present.receipt(options.video, receipt)


def _rerun(services: Services, options: argparse.Namespace) -> Result:
    owner = _owner(Inspection(services.db), options.video)
    order = Order(operator=options.by, reason=options.reason, from_stage=options.from_stage)
    rescue = Rescues(services.db).rerun(owner, options.video, order)
    rung = _publish(services, owner, rescue.message_ids)
    return present.rescue(options.video, rescue, rung=rung)


def _dead_letters(services: Services, options: argparse.Namespace) -> Result:
    if not options.replay:
        return present.lines("dead_letters", Inspection(services.db).letters(options.limit))
    with Bus.connect(services.settings) as bus:
        replay = Replays(services.db, bus).replay(options.replay, options.by)
    rung = replay.user_id is None or _publish(services, replay.user_id, replay.message_ids)
    return present.replay(options.replay, replay, rung=rung)


def _residue(services: Services, options: argparse.Namespace) -> Result:
    settings = services.settings
    with closing(ObjectStore.connect(settings)) as store:
        buckets = (settings.uploads_bucket, settings.artifacts_bucket)
        traces = Residue(services.db, store, buckets).of(options.subject)
    return present.residue(options.subject, traces)


def _owner(inspection: Inspection, video_id: UUID) -> UUID:
    owner = inspection.owner(video_id)
    if owner is None:
        raise NotFoundError(f"video {video_id}")
    return owner


def _publish(services: Services, user_id: UUID, message_ids: Sequence[UUID]) -> bool:
    """Send what is owed; if that fails, the sweep does it."""
    if not message_ids:
        return True
    try:
        with Bus.connect(services.settings) as bus:
            Outbox(services.db, bus).publish(user_id, message_ids)
    except (TransientError, ConfigError) as error:
        log.event("outbox.unpublished", severity="WARNING", error=error)
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="one JSON object on standard output")
    acting = argparse.ArgumentParser(add_help=False)
    acting.add_argument(
        "--by", default=_login(), metavar="NAME", help="who does it, for the record (%(default)s)"
    )

    parser = argparse.ArgumentParser(
        prog="python -m gpu_jobs.admin",
        description="Look after videos and runs: what happened, and what to do about it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", parents=[shared], help="videos or runs of all users")
    listing.add_argument("--runs", action="store_true", help="runs instead of videos")
    listing.add_argument(
        "--state",
        default="",
        choices=_states(),
        metavar="STATE",
        help="only in this state: " + ", ".join(_states()),
    )
    listing.add_argument("--user", type=_uuid, metavar="ID", help="only of this user")
    listing.add_argument(
        "--older-than", type=_seconds, default=0.0, metavar="AGE", help="made before: 90s, 2h, 7d"
    )
    _add_limit(listing)
    listing.set_defaults(command=_list)

    explain = commands.add_parser(
        "explain", parents=[shared], help="runs, stages, attempts, codes, artifacts, messages"
    )
    explain.add_argument("video", type=_uuid, metavar="VIDEO")
    explain.set_defaults(command=_explain)

    rerun = commands.add_parser(
        "rerun",
        parents=[shared, acting],
        help="process a video again, from where it ended or from a stage on",
    )
    rerun.add_argument("video", type=_uuid, metavar="VIDEO")
    rerun.add_argument("--from-stage", default="", metavar="STAGE", help="again from here on")
    rerun.add_argument("--reason", type=_reason, required=True, help="why, for the record")
    rerun.set_defaults(command=_rerun)

    letters = commands.add_parser(
        "dead-letters", parents=[shared, acting], help="messages that nobody could handle"
    )
    letters.add_argument("--replay", default="", metavar="ID", help="ask for it once more")
    _add_limit(letters)
    letters.set_defaults(command=_dead_letters)

    residue = commands.add_parser(
        "residue",
        parents=[shared],
        help="look in every table and bucket for what is left of a video or user",
    )
    residue.add_argument("subject", type=_uuid, metavar="ID")
    residue.set_defaults(command=_residue)
    _add_reports(commands, shared)
    return parser


def _add_reports(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Figures; `common.metrics` has the same as they happen."""
    users = commands.add_parser("users", parents=[shared], help="who has how much")
    _add_limit(users)
    users.set_defaults(command=reports.users)
    since = argparse.ArgumentParser(add_help=False)
    since.add_argument(
        "--since",
        type=_seconds,
        default=30.0 * _UNITS_S["d"],
        metavar="AGE",
        help="what happened in the last 90s, 2h, 7d (30d)",
    )
    for name, command, text in (
        ("videos", reports.videos, "states, backlog, time to searchable, stage times"),
        ("failures", reports.failures, "why videos failed, and what quotas refused"),
        ("cost", reports.cost, "what processing cost, also per indexed minute"),
    ):
        report = commands.add_parser(name, parents=[shared, since], help=text)
        report.set_defaults(command=command)


def _add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit", type=_count, default=50, metavar="N", help="at most (%(default)s)"
    )


def _states() -> tuple[str, ...]:
    videos = ("uploading", "queued", "processing", "indexed", "failed")
    return (*videos, "ready", "running", "done", "dead", "cancelled")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "operator"


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no id (36 characters)") from None


def _seconds(value: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", value)
    if match is None:
        raise argparse.ArgumentTypeError(f"{value!r} is no age such as 90s, 30m, 2h or 7d")
    return float(int(match[1]) * _UNITS_S[match[2]])


def _count(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 10_000:
        raise argparse.ArgumentTypeError("a number from 1 to 10000")
    return int(value)


def _reason(value: str) -> str:
    if not value.strip() or len(value) > _MAX_REASON:
        raise argparse.ArgumentTypeError(f"1 to {_MAX_REASON} characters")
    return value.strip()
