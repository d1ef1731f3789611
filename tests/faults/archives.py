"""Exports: every archive that can be downloaded is there, whole, and holds what it should."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from tests.faults.ended import Ended
from tests.faults.wiring import ARTIFACTS


def wrong_exports(ended: Ended) -> Iterator[str]:
    """Exports are as they should be, and every archive is there and whole."""
    rows = ended.rows("SELECT state FROM exports WHERE user_id = :user_id ORDER BY state")
    states = tuple(row.state for row in rows)
    if states != ended.expect.exports:
        yield f"exports are {states}, not {ended.expect.exports}"
    for name in ended.archives():
        if ended.world.store.stat(ARTIFACTS, name) is None:
            yield f"archive {name} is missing"
            continue
        with zipfile.ZipFile(io.BytesIO(ended.world.store.read(ARTIFACTS, name))) as archive:
            videos = [x for x in archive.namelist() if x.startswith("videos/")]
            broken = archive.testzip()
        expected = [] if ended.erased else [f"videos/{ended.video_id}.json"]
        if broken or videos != expected:
            yield f"archive {name} holds {videos}, not {expected}; broken: {broken}"
