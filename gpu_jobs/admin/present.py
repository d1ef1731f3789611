"""How the commands answer: lines for people, or one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.errors import CODES, HeimdexError
from common.ledger.facts import (
    Explanation,
    LetterLine,
    ReceiptFacts,
    RunFacts,
    RunLine,
    VideoLine,
)
from common.ledger.replay import Replay
from common.ledger.rescue import Rescue
from common.ledger.residue import Trace

_RESCUED: Mapping[str, str] = {
    "ready": "made ready in lane {lane}",
    "under_way": "already under way in lane {lane}; nothing was changed",
    "complete": "complete; name a stage with --from-stage to make it again",
}
_REPLAYED: Mapping[str, str] = {
    "rerun": "its run is ready again",
    "rung": "its run was not over; its message was sent again",
    "published": "its bytes were sent again",
    "repeated": "was replayed before; nothing was changed",
    "complete": "its run is done; nothing was changed",
}
#: Exit status when something is left.
RESIDUE = 5
_LATER = "; Pub/Sub did not answer, so the next sweep sends the message"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command found or did."""

    #: For programs.
    value: Mapping[str, Any]
    #: For people.
    lines: Sequence[str]
    status: int = 0


def result(found: Result, *, as_json: bool) -> None:
    """Print a result on standard output."""
    _print([_dumps(found.value)] if as_json else found.lines)


def error(problem: HeimdexError, *, as_json: bool) -> None:
    """Print an error: for people on standard error, for programs on standard output."""
    message = f"{CODES[problem.code].en} ({problem.detail})" if problem.detail else str(problem)
    if as_json:
        _print([_dumps({"error": {"code": problem.code, "message": message}})])
    sys.stderr.write(f"Error: {message} [{problem.code}]\n")


def lines(
    kind: str, found: Sequence[VideoLine] | Sequence[RunLine] | Sequence[LetterLine]
) -> Result:
    """A list."""
    rows = [asdict(row) for row in found]
    shown = table(rows) if rows else [f"no {kind.replace('_', ' ')}"]
    return Result(value={kind: rows}, lines=shown)


def explanation(found: Explanation) -> Result:
    """Everything about a video, with the texts of its codes."""
    codes = sorted(set(_codes(found)))
    value = asdict(found) | {"codes": {code: _texts(code) for code in codes}}
    return Result(value=value, lines=list(_explained(found, codes)))


def receipt(subject: UUID, found: ReceiptFacts) -> Result:
    """All that is known of what was erased."""
    facts = _facts(asdict(found), skip=("id", "removed"))
    removed = _facts(found.removed)
    lines = [f"{subject} was erased: {facts}", f"receipt {found.id}: {removed}"]
    return Result(value={"id": subject, "erased": asdict(found)}, lines=lines)


def rescue(video_id: UUID, done: Rescue, *, rung: bool) -> Result:
    """What a rerun did."""
    text = _RESCUED[done.outcome].format(lane=done.lane)
    value = {
        "video_id": video_id,
        "outcome": done.outcome,
        "lane": done.lane,
        "run_id": done.run_id,
        "rung": rung and bool(done.message_ids),
    }
    return Result(value=value, lines=[f"video {video_id}: {text}{'' if rung else _LATER}"])


def replay(letter_id: str, done: Replay, *, rung: bool) -> Result:
    """What a replay did."""
    text = f"dead letter {letter_id}: {_REPLAYED[done.outcome]}{'' if rung else _LATER}"
    return Result(value={"id": letter_id, "outcome": done.outcome}, lines=[text])


def residue(subject: UUID, traces: Sequence[Trace]) -> Result:
    """Where something of an id stands."""
    places = [f"{trace.place}: {trace.count}" for trace in traces]
    return Result(
        value={"id": subject, "residue": [asdict(trace) for trace in traces]},
        lines=places or [f"nothing is left of {subject}"],
        status=RESIDUE if traces else 0,
    )


def _explained(found: Explanation, codes: Iterable[str]) -> Iterable[str]:
    video = found.video
    yield f"video {video.id} of user {video.user_id}"
    yield f"  {_facts(asdict(video), skip=('id', 'user_id'))}"
    for item in found.objects:
        yield f"object {item.ordinal}: {_facts(asdict(item), skip=('ordinal',))}"
    for run in found.runs:
        yield from _run(run)
    for message in found.messages:
        sent = f"published {_shown(message.published_at)}" if message.published_at else "owed"
        yield f"message {message.id} to {message.topic}: {sent}"
    for letter in found.dead_letters:
        yield f"dead letter {letter.id}: {_facts(asdict(letter), skip=('id', 'user_id'))}"
    for act in found.interventions:
        yield f"intervention: {_facts(asdict(act))}"
    for code in codes:
        yield f"{code}: {_texts(code)['en']}"


def _run(run: RunFacts) -> Iterable[str]:
    yield f"run {run.id}: {_facts(asdict(run), skip=('id', 'stages'))}"
    for stage in run.stages:
        yield f"  {stage.stage}: {_facts(asdict(stage), skip=('stage',))}"


def _codes(found: Explanation) -> Iterable[str]:
    stages = [stage for run in found.runs for stage in run.stages]
    noted = [found.video.error_code]
    noted += [item.error_code for item in found.objects]
    noted += [run.error_code for run in found.runs]
    noted += [stage.error_code for stage in stages]
    noted += [letter.error_code for letter in found.dead_letters]
    return [code for code in noted if code]


def _texts(code: str) -> dict[str, str]:
    known = CODES.get(code)  # a newer version may have written it
    return (
        {"en": known.en, "ko": known.ko}
        if known
        else {"en": "unknown code", "ko": "알 수 없는 코드"}
    )


def _facts(row: Mapping[str, Any], *, skip: Sequence[str] = ()) -> str:
    """What is set, as words."""
    known = {name: value for name, value in row.items() if name not in skip}
    return " ".join(
        f"{name}={_shown(value)}"
        for name, value in known.items()
        if value not in (None, "") and value is not False
    )


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns under their names; of at least one row."""
    names = list(rows[0])
    cells = [names, *([_shown(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return "-" if value is None else str(value)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _print(texts: Iterable[str]) -> None:
    for text in texts:
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
