"""Where a page of hits ended, as a page token holds it.

The token is sealed by `common.web.pages`. A page starts after the last hit of the page before, not
at a number of hits, so that nothing is shown twice or left out when a video is deleted meanwhile;
and videos that were indexed after the first page are not there, so that their hits and their
words' frequencies move nothing.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from common.errors import InputError
from common.web.pages import Position
from functions.search.model import Place


def position(place: Place, fingerprint: str) -> Position:
    """The content of a token.

    Args:
        place: the last hit of the page.
        fingerprint: of the request's body, which the token's own seal does not cover.
    """
    until = place.indexed_until.isoformat() if place.indexed_until else ""
    return (
        # In full: the order of hits hangs on the last bit.
        place.score.hex(),
        str(place.video_id),
        place.start_ms,
        str(place.scene_id),
        until,
        fingerprint,
    )


def place(token: Position | None, fingerprint: str) -> Place | None:
    """The place in a token's content; None for the first page.

    Raises:
        InputError: `invalid_page_token`: of another body.
    """
    match token:
        case None:
            return None
        case (str(score), str(video), int(start_ms), str(scene), str(until), str(of_body)) if (
            of_body == fingerprint
        ):
            return Place(
                score=float.fromhex(score),
                video_id=UUID(video),
                start_ms=start_ms,
                scene_id=UUID(scene),
                indexed_until=datetime.fromisoformat(until) if until else None,
            )
    raise InputError("invalid_page_token")
