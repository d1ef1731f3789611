"""Carries out what the deletion of faces owes: objects. Every step may be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from common import log
from common.ledger.face_erasures import FaceErasure, FaceErasures
from common.ledger.rows import TenantRow
from common.ports import Erasable
from common.storage import ObjectInfo

#: Stages of videos whose artifacts tell faces apart. (What they are made of, frames of the user's
#: own videos, stays with the video.)
BIOMETRIC_STAGES: Final = ("faces_detect", "commit")


class FaceEraser:
    """Erases the objects of one photo, person or account after the other.

    Args:
        erasures: what is owed.
        store: all objects.
        uploads: bucket of uploads.
        artifacts: bucket of everything that is made of them.
    """

    def __init__(
        self, erasures: FaceErasures, store: Erasable, *, uploads: str, artifacts: str
    ) -> None:
        self._erasures = erasures
        self._store = store
        self._uploads = uploads
        self._artifacts = artifacts

    def erase(self, row: TenantRow) -> bool:
        """Take an erasure as far as it can go now; returns whether that was to its end.

        Raises:
            TransientError: Cloud Storage or the database did not answer.
        """
        erasure = self._erasures.read(row)
        if erasure is None:
            return False
        removed = self._delete(erasure)
        if removed:
            self._erasures.note(erasure, {"objects": removed})
        if erasure.settled:
            self._erasures.finish(erasure)
        ends = "finished" if erasure.settled else "begun"
        log.event(f"face_erasure.{ends}", erasure_id=erasure.id)
        return erasure.settled

    def _delete(self, erasure: FaceErasure) -> int:
        """Delete what is below the erasure, but for photos that were made since."""
        found = [*self._found(erasure)]
        # A photo's row is there before its object: whatever was found of a live one, is known now.
        live = self._erasures.live_photos(erasure.user_id) if found else frozenset()
        gone = [place for place in found if _photo_of(place.name) not in live]
        for place in gone:
            self._store.delete(place.bucket, place.name, effect="face_erasure.delete")
        return len(gone)

    def _found(self, erasure: FaceErasure) -> Iterator[ObjectInfo]:
        below = "/".join(
            str(each)
            for each in (erasure.user_id, erasure.person_id, erasure.photo_id)
            if each is not None
        )
        end = "" if erasure.photo_id is not None else "/"
        yield from self._store.list(self._uploads, f"faces/{below}{end}")
        for info in self._store.list(self._artifacts, f"artifacts/{below}/"):
            if _photo_of(info.name) or _stage_of(info.name) in BIOMETRIC_STAGES:
                yield info


def _photo_of(name: str) -> str:
    """The photo that an object is of, or ""."""
    match name.split("/"):
        case ["faces", _, _, photo] | ["artifacts", _, _, photo, _, _, _]:
            return photo
    return ""


def _stage_of(name: str) -> str:
    """The stage that an artifact is of, or "": `artifacts/user/subject/…/stage@version/file`."""
    return name.split("/")[-2].partition("@")[0]
