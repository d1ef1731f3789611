"""Artifacts of one run: read with their hash checked, written under their key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common import log
from common.artifacts import artifact_key, decode, digest, encode
from common.domain import Lease
from common.errors import ContractError, NotFoundError
from common.ledger.stages import FinishedStage, StageRecord
from common.ports import Objects
from gpu_jobs.hold import Hold
from gpu_jobs.stage import Stage


class Checkpoints:
    """The artifacts that a run may use, by stage.

    What has been read or made is kept in memory until the run ends.

    Args:
        store: of the artifacts bucket.
        bucket: its name.
        lease: the run.
        records: what the ledger knows of the video's stages.
    """

    def __init__(
        self, store: Objects, bucket: str, lease: Lease, records: Mapping[str, StageRecord]
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._lease = lease
        self._records = records
        self._values: dict[str, Any] = {}

    def find(self, stage: Stage) -> bool:
        """Whether the stage is done in this version and its artifact is whole."""
        if stage.name in self._values:
            return True
        record = self._records.get(stage.name)
        if record is None or record.state != "done" or record.version != stage.version:
            return False
        try:
            self._values[stage.name] = self._read(stage, record)
        except (ContractError, NotFoundError) as error:
            log.event("artifact.damaged", severity="WARNING", stage=stage.name, error=error)
            return False
        return True

    def value(self, stage: str) -> Any:
        """The artifact of a stage that was found or stored."""
        return self._values[stage]

    def store(self, stage: Stage, value: Any, hold: Hold) -> FinishedStage:
        """Write a stage's artifact; what was under the key before, nothing refers to.

        The key is the same for every attempt: which content counts, the hash in the ledger says.
        """
        data = encode(value)
        key = artifact_key(self._lease.run, stage.name, stage.version)
        hold.check()
        self._store.write(
            self._bucket, key, data, content_type="application/zip", effect="artifact.write"
        )
        self._values[stage.name] = value
        return FinishedStage(
            stage=stage.name,
            version=stage.version,
            artifact_key=key,
            artifact_sha256=digest(data),
            artifact_bytes=len(data),
            note=getattr(value, "note", ""),
        )

    def _read(self, stage: Stage, record: StageRecord) -> Any:
        data = self._store.read(self._bucket, record.artifact_key)
        if digest(data) != record.artifact_sha256:
            raise ContractError("artifact_corrupt", f"{record.artifact_key}: another hash")
        return decode(stage.artifact_type, data)
