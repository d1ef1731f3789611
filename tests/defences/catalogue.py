"""The defences that are proven to be needed; tests/defences/policies.py adds row-level security."""

from __future__ import annotations

from typing import Final

from tests.defences.defence import Defence, Edit

_CLAIMS = "tests/integration/ledger/test_claims.py::"
_UPLOADS = "tests/integration/ledger/test_uploads.py::"
_WORKER = "tests/integration/gpu_jobs/test_worker.py::"
_EVENTS = "tests/integration/test_event_functions.py::"
_FORGETTING = "tests/integration/gpu_jobs/test_forgetting.py::"
_PEOPLE = "tests/integration/api/test_people.py::"
_IDEMPOTENCY = "tests/integration/api/test_idempotency.py::"
_PAGES = "tests/unit/common/web/test_pages.py::"
_DATABASE = "tests/unit/common/test_database.py::"


def _defence(name: str, path: str, old: str, new: str, *tests: str) -> Defence:
    return Defence(name=name, edits=(Edit(path=path, old=old, new=new),), tests=tests)


DEFENCES: Final = (
    _defence(
        "a write matches the fencing token",
        "common/ledger/fencing.py",
        "AND state = 'running' AND fencing_token = :token",
        "AND state = 'running' AND :token >= 0",
        _CLAIMS + "test_a_zombie_can_write_nothing",
        _WORKER + "test_a_worker_that_lost_its_lease_writes_nothing",
    ),
    _defence(
        "a write needs a video that is not deleted",
        "common/ledger/fencing.py",
        "                  AND v.deleted_at IS NULL)",
        "                  )",
        _CLAIMS + "test_a_deleted_video_is_not_written",
        _WORKER + "test_a_video_deleted_meanwhile_gets_no_rows",
    ),
    _defence(
        "an object of a deleted video is not taken",
        "common/ledger/uploads.py",
        "if not lock_video(tx, user_id, video_id):\n                return Arrival",
        "if lock_video(tx, user_id, video_id) is None:\n                return Arrival",
        _UPLOADS + "test_an_undeclared_object_is_unknown",
        _EVENTS + "test_an_object_without_a_row_is_discarded",
    ),
    _defence(
        "a deleted video's objects are looked for until no worker can write any",
        "functions/start_jobs/erasing.py",
        "        ends = erasure.settled and not late\n",
        "        ends = True\n",
        _EVENTS + "test_a_deleted_video_leaves_no_object",
    ),
    _defence(
        "a run is made once (ON CONFLICT of runs)",
        "common/ledger/readiness.py",
        """    ON CONFLICT (user_id, video_id, photo_id, generation, lane) DO UPDATE
        SET not_before = clock_timestamp(), rung_at = clock_timestamp()
        WHERE runs.state = 'ready'
""",
        "",
        _CLAIMS + "test_a_lane_can_be_sent_back_for_repair",
        _WORKER + "test_a_damaged_input_of_another_lane_is_repaired_there",
    ),
    _defence(
        "a stage is planned once and keeps what is done (ON CONFLICT of jobs)",
        "common/ledger/stages.py",
        """THEN 'done' ELSE 'pending' END,
        progress""",
        """THEN 'pending' ELSE 'pending' END,
        progress""",
        _CLAIMS + "test_checkpoints_survive_a_release",
        _WORKER + "test_a_released_run_goes_on_where_it_was",
    ),
    _defence(
        "a lease is not taken before it has expired",
        "common/ledger/claims.py",
        "         OR state = 'running' AND lease_until < clock_timestamp())",
        "         OR state = 'running')",
        _CLAIMS + "test_one_of_many_workers_gets_the_run",
        _CLAIMS + "test_what_cannot_be_claimed",
    ),
    _defence(
        "attempts are capped",
        "common/ledger/claims.py",
        "WHERE {_CLAIMABLE} AND attempt < :max_attempts\n",
        "WHERE {_CLAIMABLE} AND attempt < :max_attempts + 100\n",
        _CLAIMS + "test_a_run_that_kills_its_workers_dies",
    ),
    _defence(
        "the last transient failure is final",
        "common/ledger/endings.py",
        "if lease.attempt >= self._policy.max_attempts:\n                return (die(tx, lease, e",
        "if lease.attempt > 100:\n                return (die(tx, lease, e",
        _CLAIMS + "test_the_last_transient_failure_is_final",
    ),
    _defence(
        "a paused worker asks before it writes",
        "gpu_jobs/hold.py",
        "if time.monotonic() - self._confirmed_at > self._claims.lease_s:",
        "if self._confirmed_at < 0:",
        _WORKER + "test_a_silent_lease_is_confirmed_before_a_write",
    ),
    _defence(
        "an artifact's hash is checked",
        "gpu_jobs/checkpoints.py",
        "if digest(data) != record.artifact_sha256:",
        "if not data:",
        _WORKER + "test_a_damaged_artifact_is_made_again",
    ),
    _defence(
        "a replaced upload does not fail its video",
        "gpu_jobs/upload.py",
        "if store.stat(bucket, declared.name) is None:",
        "if declared.name:",
        _WORKER + "test_a_replaced_upload_waits_for_its_event",
    ),
    _defence(
        "an event of a known or older generation changes nothing",
        "common/ledger/uploads.py",
        "if row.generation is not None and row.generation >= stored.generation:",
        "if row.generation is not None and row.generation < 0:",
        _UPLOADS + "test_the_same_event_ten_times_at_once",
        _UPLOADS + "test_generations_go_forward_only",
    ),
    _defence(
        "a failed video stays failed",
        "common/ledger/uploads.py",
        "WHERE user_id = :user_id AND id = :video_id AND state <> 'failed'",
        "WHERE user_id = :user_id AND id = :video_id",
        _UPLOADS + "test_an_upload_that_expired_is_not_revived",
    ),
    _defence(
        "an object has the size that was declared",
        "common/ledger/uploads.py",
        "if stored.size_bytes != row.size_bytes:",
        "if stored.size_bytes < 0:",
        _UPLOADS + "test_an_object_that_is_not_as_declared_fails_the_video",
    ),
    _defence(
        "an object has the checksum that was declared",
        "common/ledger/uploads.py",
        "if row.crc32c and stored.crc32c != row.crc32c:",
        "if row.crc32c and not stored.crc32c:",
        _UPLOADS + "test_an_object_that_is_not_as_declared_fails_the_video",
    ),
    _defence(
        "the sweep rings again",
        "functions/start_jobs/sweeping.py",
        '"rung", self._sweep.due_runs(again_s), self._ring)',
        '"rung", (), self._ring)',
        _EVENTS + "test_an_expired_lease_is_rung_for_once",
        _EVENTS + "test_a_ready_run_is_rung_for_when_it_is_due",
    ),
    _defence(
        "the sweep publishes what is owed",
        "functions/start_jobs/sweeping.py",
        'self._each(report, "published", owed, self._publish)',
        'self._each(report, "published", owed[:0], self._publish)',
        _EVENTS + "test_pub_sub_being_down_does_not_lose_the_upload",
    ),
    _defence(
        "the sweep finds objects whose event was lost",
        "functions/start_jobs/sweeping.py",
        "taken = [self._take_if_stored(row, declared) for declared in missing]",
        "taken: list[bool] = []",
        _EVENTS + "test_a_lost_event_is_made_good",
    ),
    _defence(
        "a publish is waited for",
        "common/bus.py",
        "                raise translate(error, what) from error\n"
        "        return str(response.message_ids[0])",
        '                return ""\n        return str(response.message_ids[0])',
        "tests/unit/common/test_bus.py::test_long_outage_is_transient",
        "tests/unit/common/test_bus.py::test_message_goes_round",
    ),
    _defence(
        "a message is owed until its publish is confirmed",
        "common/ledger/outbox.py",
        "        with self._db.tenant(user_id) as tx:\n"
        "            row = tx.execute(_READ, key).one_or_none()\n",
        '        with self._db.tenant(user_id, effect="outbox.mark") as tx:\n'
        "            row = tx.execute(_READ, key).one_or_none()\n"
        "            tx.execute(_MARK, key)\n",
        _EVENTS + "test_pub_sub_being_down_does_not_lose_the_upload",
    ),
    _defence(
        "no variable switches checks off on Cloud Run",
        "common/config.py",
        "    guard(os.environ)\n",
        "",
        "tests/unit/common/test_config.py::test_no_check_is_switched_off_on_cloud_run",
    ),
    _defence(
        "faces are committed with the user's consent alone",
        "common/people/sightings.py",
        "    if not consent.hold(tx, user_id):\n        return\n",
        "",
        _FORGETTING + "test_consent_that_goes_before_the_commit",
    ),
    _defence(
        "what was found is overwritten when consent went meanwhile",
        "gpu_jobs/runner.py",
        "        if consent and not self._consents(group[0], work):\n",
        "        if False:\n",
        _FORGETTING + "test_consent_that_goes_while_faces_are_looked_for",
    ),
    _defence(
        "a photo that was deleted takes its artifacts along",
        "gpu_jobs/runner.py",
        "            self._discard_if_deleted(work, finished)\n",
        "            pass\n",
        _FORGETTING + "test_a_photo_that_is_deleted_under_way_leaves_nothing[photo]",
    ),
    _defence(
        "photos that were made since a withdrawal stay",
        "functions/start_jobs/face_erasing.py",
        " if _photo_of(place.name) not in live]",
        "]",
        _FORGETTING + "test_what_was_made_since_stays",
    ),
    _defence(
        "an unverified address uploads nothing",
        "functions/api/uploads.py",
        "    require_verified(settings, principal)\n",
        "",
        _PEOPLE + "test_an_unverified_address_uploads_nothing",
    ),
    _defence(
        "one request at a time has an idempotency key",
        "common/web/idempotency.py",
        "if not locked.scalar_one():",
        "if locked.scalar_one() is None:",
        _IDEMPOTENCY + "test_a_request_in_progress_is_not_waited_for",
    ),
    _defence(
        "an idempotency key is taken once (ON CONFLICT)",
        "common/web/idempotency.py",
        " ON CONFLICT (user_id, key) DO NOTHING",
        " ON CONFLICT (user_id, key) DO UPDATE SET status = NULL",
        _IDEMPOTENCY + "test_the_same_request_again_gets_the_same_answer",
        _IDEMPOTENCY + "test_a_key_cannot_ask_for_something_else",
    ),
    _defence(
        "an idempotency key cannot ask for something else",
        "common/web/idempotency.py",
        "if row.response is None or row.request_sha256 != attempt.request_sha256:",
        "if row.response is None:",
        _IDEMPOTENCY + "test_a_key_cannot_ask_for_something_else",
    ),
    _defence(
        "a page token is sealed",
        "common/web/pages.py",
        "if not hmac.compare_digest(mac, self._mac(payload, scope)):",
        "if not mac:",
        _PAGES + "test_any_changed_character_is_refused",
        _PAGES + "test_another_key_makes_other_tokens",
    ),
    _defence(
        "a page token is one tenant's",
        "common/web/pages.py",
        "covered = [_VERSION, str(scope.user_id), scope.route, scope.parameters]",
        "covered = [_VERSION, scope.route, scope.parameters]",
        _PAGES + "test_a_token_is_for_one_tenant_route_and_filter",
    ),
    _defence(
        "a tenant ends with its transaction",
        "common/database.py",
        "_TENANT = text(\"SELECT set_config('app.user_id', :user_id, true)\")",
        "_TENANT = text(\"SELECT set_config('app.user_id', :user_id, false)\")",
        _DATABASE + "test_a_commit_does_not_leave_its_tenant_behind",
    ),
    _defence(
        "row-level security binds the owner of a table too",
        "common/sql/schema.sql",
        "EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);",
        "NULL;",
        _DATABASE + "test_every_tenant_table_forces_row_level_security",
    ),
    Defence(
        name="a statement names its tenant, where row-level security is off",
        edits=(
            Edit(
                path="common/videos/catalog.py",
                old='"WHERE user_id = :user_id AND id = :id AND deleted_at IS NULL"\n            +',
                new='"WHERE id = :id AND deleted_at IS NULL"\n            +',
            ),
            Edit(
                path="common/sql/schema.sql",
                old="EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);",
                new="EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', name);",
            ),
        ),
        tests=(
            "tests/integration/api/test_foreign.py::test_a_foreign_id_answers_like_a_missing_one",
        ),
    ),
)
