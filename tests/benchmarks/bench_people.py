"""Matching people with faces against other ways to do it, and enrolling a photo.

`python -m tests.benchmarks.bench_people [--people 1000] [--faces 100000] [--quick]` starts a
Postgres of its own, stores a tenant, and finds out who is in which scene after a person changed:
all people, all faces, exactly, as the API function's role under row-level security. Beside it: a
loop over people in SQL, and brute force in plain loops, which also says what the answer is. Then a
photo is enrolled as the workers do it (normalised in the limited child process, detected, embedded,
stored, matched), on the CPU. The detector is the real YuNet where its file is
(`../shared/models`), else the tests' own; the recogniser has random weights, of SFace's size.

Tables go to stdout; the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

import numpy as np

from common.database import Database
from common.people.matching import rematch
from common.people.thresholds import Thresholds, of_model
from tests.benchmarks import people_data, people_enrolment, people_peers
from tests.benchmarks.people_data import Tenant
from tests.conftest import TestDatabase, new_database, postgres_server, prepare_template
from tests.face_library import MODEL, SCENE_MS

#: Even, so that all consent again in the end.
_ROUNDS = 8
#: People whose SQL query is timed; the loop's time is that of one times all.
_SAMPLE = 15


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    thresholds = of_model(MODEL)
    assert thresholds is not None
    with postgres_server() as server:
        prepare_template(server)
        with new_database(server) as database, closing(database.as_role("heimdex_api")) as api:
            figures = _matching(database, api, asked, thresholds)
        with new_database(server) as database, tempfile.TemporaryDirectory() as directory:
            enrolment = people_enrolment.measure(database, Path(directory), rounds=asked.photos)
    print(
        f"enrol a photo ({enrolment.detector}): p50 {enrolment.p50_s:.2f} s, "
        f"p95 {enrolment.p95_s:.2f} s ({enrolment.cpu_s:.2f} s of CPU, and Postgres')"
    )
    figures |= {
        "enrol_s_p95": round(enrolment.p95_s, 3),
        "enrol_cpu_s": round(enrolment.cpu_s, 3),
        "detector": enrolment.detector,
    }
    print(json.dumps(figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="100 people, 10,000 faces")
    asked = parser.parse_args()
    if asked.quick:
        asked.people, asked.faces, asked.photos = 100, 10_000, 5
    return asked


def _matching(
    database: TestDatabase, api: Database, asked: argparse.Namespace, thresholds: Thresholds
) -> dict[str, object]:
    tenant = people_data.fill(database, people=asked.people, faces=asked.faces, seed=1)
    print(f"{asked.people} people, {asked.faces} faces, {len(tenant.scenes)} videos")
    first_ms = _timed(api, tenant)
    cpu_started_at = time.process_time()
    times = [_changed(api, tenant, place) for place in range(_ROUNDS)]
    cpu_ms = (time.process_time() - cpu_started_at) * 1000 / _ROUNDS
    started_at = time.perf_counter()
    expected = people_peers.frame_by_frame(tenant, thresholds)
    brute_ms = (time.perf_counter() - started_at) * 1000
    found = set(tenant.library.appearances())
    one_ms = float(
        np.median(people_peers.person_by_person(api, tenant, thresholds, sample=_SAMPLE))
    )
    ours, loop_ms = float(np.percentile(times, 95)), one_ms * asked.people
    accepted, rejected, true = _mistakes(tenant, found)
    print(f"first match, all rows new   {first_ms:10.0f} ms")
    print(f"match after a change, p50   {np.median(times):10.0f} ms")
    print(f"match after a change, p95   {ours:10.0f} ms  ({cpu_ms:.0f} ms of CPU, and Postgres')")
    print(
        f"loop over people in SQL     {loop_ms:10.0f} ms  ({_SAMPLE} timed; {loop_ms / ours:.0f} x)"
    )
    print(
        f"brute force, frame by frame {brute_ms:10.0f} ms  ({brute_ms / ours:.1f} x; no database)"
    )
    print(f"appearances: {len(found)}, equal to brute force: {found == expected}")
    print(f"against the truth: {accepted} false accepts, {rejected} false rejects of {true}")
    return {
        "people": asked.people,
        "faces": asked.faces,
        "recall": round(len(found & expected) / max(len(expected), 1), 6),
        "precision": round(len(found & expected) / max(len(found), 1), 6),
        "match_ms_p50": round(float(np.median(times)), 1),
        "match_ms_p95": round(ours, 1),
        "match_cpu_ms": round(cpu_ms, 1),
        "first_match_ms": round(first_ms, 1),
        "sql_loop_ms": round(loop_ms),
        "ratio": round(loop_ms / ours, 1),
        "false_accepts": accepted,
        "false_rejects": rejected,
        "true_appearances": true,
    }


def _timed(api: Database, tenant: Tenant) -> float:
    started_at = time.perf_counter()
    with api.tenant(tenant.library.user_id, effect="bench.rematch") as tx:
        rematch(tx, tenant.library.user_id)
    return (time.perf_counter() - started_at) * 1000


def _changed(api: Database, tenant: Tenant, place: int) -> float:
    """A person takes consent back, or gives it again."""
    tenant.library.database.owner_rows(
        "UPDATE people SET consent_at = CASE WHEN consent_at IS NULL THEN now() END, "
        "consent_policy_version = CASE WHEN consent_at IS NULL THEN '1' END WHERE id = :id",
        id=tenant.people[place // 2 * 2 % len(tenant.people)],
    )
    return _timed(api, tenant)


def _mistakes(tenant: Tenant, found: set[tuple[UUID, UUID]]) -> tuple[int, int, int]:
    """False accepts, false rejects and true appearances, as (person, scene)."""
    true = {
        (tenant.people[person], tenant.scenes[video][time_ms // SCENE_MS])
        for person, video, time_ms in zip(
            tenant.truth.tolist(), tenant.videos.tolist(), tenant.times_ms.tolist(), strict=True
        )
        if person >= 0
    }
    return len(found - true), len(true - found), len(true)


if __name__ == "__main__":
    main()
