"""The evaluation against real processes, with two videos of the library."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from local.client import Client
from local.evaluation.labels import SPLITS, library_digest, queries, videos
from local.evaluation.library import index_library, searched_version
from local.evaluation.runs import ALL, ask
from tests.e2e.conftest import INDEX_TIMEOUT_S

pytestmark = pytest.mark.xdist_group("e2e")


def test_labelled_moments_are_found_and_the_library_is_indexed_once(
    client: Client, tmp_path: Path
) -> None:
    """What is said word for word comes first by words alone, in the videos uploaded at first."""
    few = [video for video in videos() if video.name in ("band-practice", "puppy")]
    names = {video.name for video in few}
    asked = [
        query
        for query in queries()
        if query.kind == "speech-exact" and {m.video for m in query.moments} <= names
    ]
    assert len(asked) >= 4
    version = searched_version(client)
    index = partial(index_library, client, few, index_version=version, timeout_s=INDEX_TIMEOUT_S)
    ids = index(tmp_path)
    assert index(tmp_path / "unused") == ids
    run = ask(
        client,
        asked,
        ids,
        splits={split: [v.name for v in few if v.split == split] for split in SPLITS},
        index_version=version,
        library=library_digest(),
        legs=(ALL, "words", "tags"),
    )
    for leg in (ALL, "words"):
        assert {q.id: run.legs[leg][q.id].outcome.rank for q in asked} == {q.id: 1 for q in asked}
    assert {answer.outcome.said_nothing for answer in run.legs["tags"].values()} == {True}
