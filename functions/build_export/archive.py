"""Builds an archive on disk, stores it and notes that it is there."""

from __future__ import annotations

import json
import tempfile
import zipfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from common import log
from common.database import Database
from common.errors import LeaseLostError, TransientError
from common.ledger.exports import ExportLease, Exports
from common.messages import ExportRequested
from common.ports import Archives
from functions.build_export.content import File, files

_TYPE: Final = "application/zip"
#: A claim is confirmed once in so many files.
_CONFIRM_EVERY: Final = 20
_README: Final = """\
Your Heimdex data

account.json       your account
people.json        the people you named, their photos, and the scenes they are in
consents.json      what you agreed to about faces, and took back
videos/<id>.json   each video: title, times, and its scenes with what is said, shown and written,
                   and the faces in it
originals.json     the files you uploaded. They are not in this archive, as it would be too large:
                   sign in and send what stands under "fetch" to get a link to the file.
Times ending in _ms are milliseconds from the start of the video. What stands under "vector" tells a
face from others: keep this archive as safe as a fingerprint.

내 Heimdex 데이터

account.json       내 계정
people.json        이름을 붙인 인물과 그 사진, 그 인물이 나오는 장면
consents.json      얼굴에 대해 동의하거나 철회한 내용
videos/<id>.json   영상마다 제목, 시간, 장면별 대사·화면·글자와 얼굴
originals.json     올린 원본 파일 목록. 너무 커서 이 압축 파일에는 넣지 않았습니다. 로그인한 뒤
                   "fetch"에 적힌 주소로 요청하면 파일 링크를 받습니다.
_ms로 끝나는 시간은 영상 시작부터 센 밀리초입니다. "vector"에 적힌 값으로 얼굴을 구별할 수
있으므로 이 파일을 지문처럼 안전하게 보관해 주세요.
"""


class Builder:
    """Builds what was asked for, once.

    Args:
        db: as `heimdex_api`, which may read what people have.
        store: takes the archive.
        bucket: of artifacts.
    """

    def __init__(self, db: Database, store: Archives, bucket: str) -> None:
        self._db = db
        self._exports = Exports(db)
        self._store = store
        self._bucket = bucket

    def build(self, message: ExportRequested) -> bool:
        """Build an export unless somebody does or did; returns whether it is ready now.

        Raises:
            TransientError: ask again.
        """
        lease = self._exports.claim(message.user_id, message.export_id)
        if lease is None:
            log.event("export.not_needed", export_id=message.export_id)
            return False
        try:
            self._build(lease)
        except LeaseLostError:
            # A video was deleted meanwhile: what has been stored holds it.
            self._discard(lease)
            log.event("export.lost", export_id=lease.export_id)
            return False
        except TransientError:
            with suppress(LeaseLostError, TransientError):
                self._exports.release(lease)
            raise
        return True

    def _build(self, lease: ExportLease) -> None:
        with tempfile.TemporaryDirectory(prefix="heimdex-export-") as scratch:
            path = Path(scratch) / "archive.zip"
            video_count = self._write(lease, path)
            self._exports.extend(lease)
            # What builders left who did not get to the end.
            self._store.delete_prefix(self._bucket, lease.prefix, effect="export.clear")
            info = self._store.upload(
                self._bucket, lease.object_name, path, content_type=_TYPE, effect="export.store"
            )
        self._exports.finish(lease, size_bytes=info.size_bytes, video_count=video_count)
        log.event(
            "export.ready",
            export_id=lease.export_id,
            size_bytes=info.size_bytes,
            videos=video_count,
        )

    def _write(self, lease: ExportLease, path: Path) -> int:
        """Write the archive; returns how many videos it holds."""
        video_count = 0
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", _README)
            for number, file in enumerate(files(self._db, lease.user_id)):
                if number % _CONFIRM_EVERY == 0:
                    self._exports.extend(lease)
                archive.writestr(file.name, _encoded(file))
                video_count += file.is_video
        return video_count

    def _discard(self, lease: ExportLease) -> None:
        # If it fails, the sweep clears it away when the export is over.
        with suppress(TransientError):
            self._store.delete(self._bucket, lease.object_name, effect="export.discard")


def _encoded(file: File) -> str:
    return json.dumps(file.value, ensure_ascii=False, indent=1, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
