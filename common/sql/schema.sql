-- The whole schema as it stands, to be read. Migrations (migrations/versions) make the same; a test
-- compares the two.
--
-- Every tenant table carries user_id first in its key, has row-level security forced, and lets the
-- runtime roles see only rows of the tenant named by the transaction (app.user_id). Work across
-- tenants (the sweep) goes through SECURITY DEFINER functions owned by heimdex_ledger, a role that
-- nobody can log in as or is a member of. (A function of the tables' owner would see no row: forced
-- row-level security binds the owner too.)

CREATE EXTENSION IF NOT EXISTS vector;

CREATE FUNCTION app_user_id() RETURNS uuid STABLE PARALLEL SAFE LANGUAGE sql
AS $$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$;

-- What a tier may do: settings, changed by an operator, not by a deployment. A tier without a row for
-- a bucket is not limited in it.
CREATE TABLE tiers (
    name              text PRIMARY KEY CHECK (name ~ '^[a-z]{1,32}$'),
    -- Videos between the start of their upload and the end of their processing, at once.
    max_in_processing integer CHECK (max_in_processing > 0),
    -- How long a video is kept; NULL: until it is deleted.
    retention_days    integer CHECK (retention_days > 7)
);
CREATE TABLE tier_limits (
    tier     text NOT NULL REFERENCES tiers (name) ON DELETE CASCADE,
    bucket   text NOT NULL
             CHECK (bucket IN ('uploads', 'upload_bytes', 'video_ms', 'searches', 'exports')),
    capacity bigint NOT NULL CHECK (capacity > 0),
    -- An empty bucket is full again after this long.
    refill_s integer NOT NULL CHECK (refill_s > 0),
    PRIMARY KEY (tier, bucket)
);
INSERT INTO tiers (name, max_in_processing, retention_days) VALUES
    ('free', 2, 30), ('pro', 10, NULL), ('enterprise', NULL, NULL);
-- A day's bytes hold the day's uploads of 1 GB each, with their subtitle files.
INSERT INTO tier_limits (tier, bucket, capacity, refill_s) VALUES
    ('free', 'uploads', 3, 86400),
    ('free', 'upload_bytes', 3100000000, 86400),
    ('free', 'video_ms', 1800000, 86400),
    ('free', 'searches', 60, 60),
    ('free', 'exports', 2, 86400),
    ('pro', 'uploads', 100, 86400),
    ('pro', 'upload_bytes', 110000000000, 86400),
    ('pro', 'video_ms', 36000000, 86400),
    ('pro', 'searches', 600, 60),
    ('pro', 'exports', 10, 86400);

CREATE TABLE users (
    id           uuid PRIMARY KEY,
    firebase_uid text NOT NULL UNIQUE CHECK (length(firebase_uid) BETWEEN 1 AND 128),
    email        text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    tier         text NOT NULL DEFAULT 'free' REFERENCES tiers (name),
    -- Being erased; nobody may sign in to it.
    deleted_at   timestamptz
);

CREATE TABLE videos (
    user_id       uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id            uuid NOT NULL,
    title         text NOT NULL,
    state         text NOT NULL DEFAULT 'uploading'
                  CHECK (state IN ('uploading', 'queued', 'processing', 'indexed', 'failed')),
    error_code    text,
    generation    bigint,
    duration_ms   bigint,
    scene_count   integer,
    index_version text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    indexed_at    timestamptz,
    deleted_at    timestamptz,
    -- Taken from the bucket of minutes until the video's own length is known.
    reserved_ms   bigint,
    -- Promised when the upload starts; NULL: kept.
    expires_at    timestamptz,
    expiry_announced_at timestamptz,
    -- W3C trace context of the request that began the upload: Cloud Storage does not pass it on.
    traceparent   text NOT NULL DEFAULT '',
    PRIMARY KEY (user_id, id)
);
CREATE INDEX videos_by_time ON videos (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX videos_uploading ON videos (created_at)
    WHERE state = 'uploading' AND deleted_at IS NULL;
CREATE INDEX videos_expiring ON videos (expires_at)
    WHERE expires_at IS NOT NULL AND deleted_at IS NULL;

-- The objects an upload declares: the video and its subtitle files.
CREATE TABLE upload_objects (
    user_id       uuid NOT NULL,
    video_id      uuid NOT NULL,
    ordinal       smallint NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('video', 'subtitle')),
    language      text,
    object_name   text NOT NULL,
    content_type  text NOT NULL,
    size_bytes    bigint NOT NULL CHECK (size_bytes > 0),
    crc32c        text,
    expires_at    timestamptz NOT NULL,
    generation    bigint,
    finalized_at  timestamptz,
    error_code    text,
    PRIMARY KEY (user_id, video_id, ordinal),
    UNIQUE (user_id, object_name),
    FOREIGN KEY (user_id, video_id) REFERENCES videos (user_id, id) ON DELETE CASCADE
);

-- A run is what a worker claims: one (video, generation, lane).
CREATE TABLE runs (
    user_id       uuid NOT NULL,
    id            uuid NOT NULL,
    video_id      uuid NOT NULL,
    generation    bigint NOT NULL,
    lane          text NOT NULL CHECK (lane IN ('media', 'gpu')),
    state         text NOT NULL DEFAULT 'ready'
                  CHECK (state IN ('ready', 'running', 'done', 'failed', 'dead', 'cancelled')),
    attempt       smallint NOT NULL DEFAULT 0,
    fencing_token bigint NOT NULL DEFAULT 0,
    owner         text,
    lease_until   timestamptz,
    heartbeat_at  timestamptz,
    not_before    timestamptz NOT NULL DEFAULT now(),
    rung_at       timestamptz NOT NULL DEFAULT now(),
    error_code    text,
    error_detail  text,
    traceparent   text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, video_id, generation, lane),
    FOREIGN KEY (user_id, video_id) REFERENCES videos (user_id, id) ON DELETE CASCADE
);
CREATE INDEX runs_open ON runs (state, lease_until) WHERE state IN ('ready', 'running');

-- Stages are checkpoints inside a run.
CREATE TABLE jobs (
    user_id         uuid NOT NULL,
    run_id          uuid NOT NULL,
    stage           text NOT NULL,
    ordinal         smallint NOT NULL,
    version         integer NOT NULL,
    state           text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'running', 'done', 'skipped', 'failed')),
    progress        real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    artifact_key    text,
    artifact_sha256 text,
    artifact_bytes  bigint,
    note            text,
    error_code      text,
    attempt         smallint NOT NULL DEFAULT 0,
    started_at      timestamptz,
    finished_at     timestamptz,
    duration_ms     bigint,
    PRIMARY KEY (user_id, run_id, stage),
    FOREIGN KEY (user_id, run_id) REFERENCES runs (user_id, id) ON DELETE CASCADE
);

-- Messages that a committed transaction owes to Pub/Sub.
CREATE TABLE outbox (
    user_id      uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id           uuid NOT NULL,
    topic        text NOT NULL,
    payload      text NOT NULL,
    traceparent  text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX outbox_unpublished ON outbox (created_at) WHERE published_at IS NULL;

-- What a committed transaction owes erasure: the objects of a video, then its rows; or, without a
-- video, of the whole account.
CREATE TABLE erasures (
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id         uuid NOT NULL,
    video_id   uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at    timestamptz,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX erasures_open ON erasures (created_at) WHERE done_at IS NULL;

-- That something was erased, without saying whose or what it was: outlives the account.
CREATE TABLE erasure_receipts (
    -- The same as of the erasure.
    id             uuid PRIMARY KEY,
    -- SHA-256 of the ids in hex: who knows an id can find its receipt.
    user_sha256    text NOT NULL,
    subject        text NOT NULL CHECK (subject IN ('video', 'account')),
    subject_sha256 text NOT NULL,
    requested_by   text NOT NULL CHECK (requested_by IN ('user', 'operator', 'retention')),
    requested_at   timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,
    -- Kind of thing -> how many were removed.
    removed        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX erasure_receipts_by_user ON erasure_receipts (user_sha256, requested_at DESC, id DESC);

-- Archives of everything that a user has; built by a function, kept for some days.
CREATE TABLE exports (
    user_id       uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id            uuid NOT NULL,
    state         text NOT NULL DEFAULT 'pending'
                  CHECK (state IN ('pending', 'building', 'ready', 'failed', 'expired')),
    attempt       smallint NOT NULL DEFAULT 0,
    fencing_token bigint NOT NULL DEFAULT 0,
    lease_until   timestamptz,
    rung_at       timestamptz,
    error_code    text,
    object_name   text,
    size_bytes    bigint,
    video_count   integer,
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    expires_at    timestamptz,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX exports_open ON exports (created_at) WHERE state IN ('pending', 'building');
CREATE INDEX exports_stored ON exports (expires_at) WHERE object_name IS NOT NULL;

-- Messages that nobody could handle, for operators. Those of a run go with it.
CREATE TABLE dead_letters (
    -- Pub/Sub's id of the message.
    id                text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128),
    -- NULL when the message cannot be read.
    user_id           uuid,
    run_id            uuid,
    reason            text NOT NULL
                      CHECK (reason IN ('run_died', 'message_invalid', 'delivery_failed')),
    error_code        text,
    -- Where it could not be handled, or "".
    subscription      text NOT NULL,
    delivery_attempts integer NOT NULL,
    -- Base64, as it came.
    payload           text NOT NULL,
    received_at       timestamptz NOT NULL DEFAULT now(),
    replayed_at       timestamptz,
    replayed_by       text,
    FOREIGN KEY (user_id, run_id) REFERENCES runs (user_id, id) ON DELETE CASCADE,
    CHECK ((user_id IS NULL) = (run_id IS NULL))
);
CREATE INDEX dead_letters_by_run ON dead_letters (user_id, run_id);
CREATE INDEX dead_letters_by_time ON dead_letters (received_at);

-- What operators did to a video, who and why.
CREATE TABLE interventions (
    user_id    uuid NOT NULL,
    id         uuid NOT NULL,
    video_id   uuid NOT NULL,
    lane       text NOT NULL,
    from_stage text,
    operator   text NOT NULL,
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, video_id) REFERENCES videos (user_id, id) ON DELETE CASCADE
);
CREATE INDEX interventions_by_video ON interventions (user_id, video_id);

CREATE TABLE idempotency_keys (
    user_id        uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key            text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_sha256 text NOT NULL,
    status         smallint,
    response       text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);

-- Token buckets: what is missing in one is a time, that at which it is full again
-- (common/quotas/buckets.py). No row: full.
CREATE TABLE quota_buckets (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    bucket  text NOT NULL,
    full_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, bucket)
);

-- How long an amount takes to refill: whole microseconds, cut off to the user's advantage.
CREATE FUNCTION refill_time(amount bigint, capacity bigint, refill_s integer)
RETURNS interval IMMUTABLE PARALLEL SAFE LANGUAGE sql
AS $$
    SELECT CAST(floor(CAST(amount AS numeric) * refill_s * 1000000 / capacity) AS double precision)
           * interval '1 microsecond'
$$;

-- Take an amount out of a bucket. True: granted; false: it is not there; NULL: no such user.
-- A charge that waited for another's row goes by the time it asked at, and full_at never goes back:
-- neither is granted what the other took. (A function, for planning it anew took longer than it.)
CREATE FUNCTION charge_bucket(for_user uuid, of_bucket text, amount bigint)
RETURNS boolean VOLATILE LANGUAGE plpgsql
AS $$
DECLARE
    asked record;
BEGIN
    SELECT l.capacity, make_interval(secs => l.refill_s) AS refill, clock_timestamp() AS at,
           refill_time(amount, l.capacity, l.refill_s) AS cost
    INTO asked
    FROM users u LEFT JOIN tier_limits l ON l.tier = u.tier AND l.bucket = of_bucket
    WHERE u.id = for_user;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF asked.capacity IS NULL THEN
        RETURN true;
    ELSIF asked.cost > asked.refill THEN
        RETURN false;
    END IF;
    INSERT INTO quota_buckets AS b (user_id, bucket, full_at)
    VALUES (for_user, of_bucket, asked.at + asked.cost)
    ON CONFLICT (user_id, bucket) DO UPDATE
        SET full_at = greatest(b.full_at + asked.cost, excluded.full_at)
        WHERE b.full_at + asked.cost <= asked.at + asked.refill;
    RETURN FOUND;
END $$;

-- What matters later: who did what to which row, and when. No content and no names. It stays when
-- the user goes; no runtime role may change or delete a row.
CREATE TABLE audit_events (
    user_id    uuid NOT NULL,
    id         uuid NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    actor      text NOT NULL CHECK (actor IN ('user', 'system', 'operator')),
    action     text NOT NULL CHECK (action ~ '^[a-z]+[.][a-z_]+$'),
    subject_id uuid,
    -- A stable name: of an error, of a tier.
    code       text CHECK (code ~ '^[a-z0-9_.-]{1,64}$'),
    PRIMARY KEY (user_id, id)
);
CREATE INDEX audit_events_by_time ON audit_events (user_id, at);

-- What search reads. Vectors live in narrow tables of their own, never TOASTed.
CREATE TABLE scenes (
    user_id       uuid NOT NULL,
    id            uuid NOT NULL,
    video_id      uuid NOT NULL,
    index_version text NOT NULL,
    ordinal       integer NOT NULL,
    start_ms      bigint NOT NULL CHECK (start_ms >= 0),
    end_ms        bigint NOT NULL CHECK (end_ms > start_ms),
    transcript    jsonb NOT NULL,
    languages     text[] NOT NULL,
    screen_text   jsonb NOT NULL,
    tags          jsonb NOT NULL,
    best_frame_ms bigint NOT NULL,
    -- Number of lexical terms per source, for length normalisation.
    transcript_length integer NOT NULL,
    screen_length     integer NOT NULL,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, video_id, index_version, ordinal),
    FOREIGN KEY (user_id, video_id) REFERENCES videos (user_id, id) ON DELETE CASCADE
);
CREATE INDEX scenes_by_version ON scenes (user_id, index_version);

CREATE TABLE scene_terms (
    user_id       uuid NOT NULL,
    index_version text NOT NULL,
    source        text NOT NULL CHECK (source IN ('transcript', 'screen', 'learned')),
    term          text NOT NULL,
    scene_id      uuid NOT NULL,
    weight        real NOT NULL,
    -- With the weight, so that a word's scenes are read from the key alone.
    PRIMARY KEY (user_id, index_version, source, term, scene_id) INCLUDE (weight),
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
CREATE INDEX scene_terms_by_scene ON scene_terms (user_id, scene_id);

CREATE TABLE scene_tags (
    user_id       uuid NOT NULL,
    index_version text NOT NULL,
    tag           text NOT NULL,
    scene_id      uuid NOT NULL,
    score         real NOT NULL CHECK (score BETWEEN 0 AND 1),
    PRIMARY KEY (user_id, index_version, tag, scene_id) INCLUDE (score),
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
CREATE INDEX scene_tags_by_scene ON scene_tags (user_id, scene_id);

CREATE TABLE text_vectors (
    user_id       uuid NOT NULL,
    index_version text NOT NULL,
    scene_id      uuid NOT NULL,
    vector        halfvec(1024) NOT NULL,
    PRIMARY KEY (user_id, index_version, scene_id),
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
ALTER TABLE text_vectors ALTER COLUMN vector SET STORAGE PLAIN;
CREATE INDEX text_vectors_by_scene ON text_vectors (user_id, scene_id);

CREATE TABLE frame_vectors (
    user_id       uuid NOT NULL,
    index_version text NOT NULL,
    scene_id      uuid NOT NULL,
    time_ms       bigint NOT NULL,
    vector        halfvec(1152) NOT NULL,
    PRIMARY KEY (user_id, index_version, scene_id, time_ms),
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
ALTER TABLE frame_vectors ALTER COLUMN vector SET STORAGE PLAIN;
CREATE INDEX frame_vectors_by_scene ON frame_vectors (user_id, scene_id);

-- Binary codes of the vectors (common/coding.py): what the search of a large tenant reads first.
CREATE TABLE text_codes (
    user_id       uuid NOT NULL,
    index_version text NOT NULL,
    scene_id      uuid NOT NULL,
    code          bit(1024) NOT NULL,
    PRIMARY KEY (user_id, index_version, scene_id),
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
ALTER TABLE text_codes ALTER COLUMN code SET STORAGE PLAIN;
CREATE INDEX text_codes_by_scene ON text_codes (user_id, scene_id);

CREATE TABLE frame_codes (
    user_id       uuid NOT NULL,
    index_version text NOT NULL,
    scene_id      uuid NOT NULL,
    time_ms       bigint NOT NULL,
    code          bit(1152) NOT NULL,
    PRIMARY KEY (user_id, index_version, scene_id, time_ms),
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
ALTER TABLE frame_codes ALTER COLUMN code SET STORAGE PLAIN;
CREATE INDEX frame_codes_by_scene ON frame_codes (user_id, scene_id);

-- People are late-bound: scene_people is derived, and may be rebuilt at any time.
CREATE TABLE people (
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id         uuid NOT NULL,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);

CREATE TABLE scene_people (
    user_id    uuid NOT NULL,
    person_id  uuid NOT NULL,
    scene_id   uuid NOT NULL,
    confidence real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    PRIMARY KEY (user_id, person_id, scene_id),
    FOREIGN KEY (user_id, person_id) REFERENCES people (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, scene_id) REFERENCES scenes (user_id, id) ON DELETE CASCADE
);
CREATE INDEX scene_people_by_scene ON scene_people (user_id, scene_id);

-- --- roles, grants, row-level security ----------------------------------------------------------

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'heimdex_api') THEN
        CREATE ROLE heimdex_api LOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'heimdex_ingest') THEN
        CREATE ROLE heimdex_ingest LOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'heimdex_worker') THEN
        CREATE ROLE heimdex_worker LOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'heimdex_ledger') THEN
        CREATE ROLE heimdex_ledger NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
END $$;

-- A verified request knows its own user id before the row exists.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON users TO heimdex_api, heimdex_ingest, heimdex_worker
    USING (id = app_user_id()) WITH CHECK (id = app_user_id());

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'videos', 'upload_objects', 'runs', 'jobs', 'outbox', 'erasures', 'idempotency_keys',
        'scenes', 'scene_terms', 'scene_tags', 'text_vectors', 'frame_vectors',
        'text_codes', 'frame_codes', 'people', 'scene_people', 'quota_buckets', 'audit_events'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON %I TO heimdex_api, heimdex_ingest, heimdex_worker '
            'USING (user_id = app_user_id()) WITH CHECK (user_id = app_user_id())', name);
    END LOOP;
END $$;

-- Limits are read by whoever charges; audit events are only added.
GRANT SELECT ON tiers, tier_limits TO heimdex_api, heimdex_ingest, heimdex_worker;
GRANT SELECT, INSERT ON audit_events TO heimdex_api, heimdex_ingest, heimdex_worker;
GRANT SELECT, UPDATE ON quota_buckets TO heimdex_api, heimdex_ingest, heimdex_worker;
GRANT INSERT ON quota_buckets TO heimdex_api;

-- The API: everything a person may do with their own rows. A tier is not theirs to choose.
GRANT SELECT, INSERT (id, firebase_uid, email), UPDATE (email, deleted_at)
    ON users TO heimdex_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON videos, upload_objects, idempotency_keys TO heimdex_api;
GRANT SELECT, UPDATE ON runs TO heimdex_api;
GRANT SELECT ON jobs TO heimdex_api;
GRANT SELECT, INSERT ON outbox, erasures TO heimdex_api;
GRANT SELECT, DELETE ON scenes, scene_terms, scene_tags, text_vectors, frame_vectors, text_codes,
    frame_codes TO heimdex_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON people, scene_people TO heimdex_api;

-- The event functions: objects arrive, runs begin, messages go out, deletions are carried out.
GRANT SELECT ON users TO heimdex_ingest;
GRANT SELECT, UPDATE ON videos, upload_objects TO heimdex_ingest;
GRANT SELECT, INSERT, UPDATE ON runs, jobs, outbox TO heimdex_ingest;
GRANT SELECT, INSERT, UPDATE ON erasures TO heimdex_ingest;

-- The workers: claim, checkpoint, commit.
GRANT SELECT ON users, people TO heimdex_worker;
GRANT SELECT, UPDATE ON videos TO heimdex_worker;
GRANT SELECT ON upload_objects TO heimdex_worker;
GRANT SELECT, INSERT, UPDATE ON runs, jobs, outbox TO heimdex_worker;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON scenes, scene_terms, scene_tags, text_vectors, frame_vectors, text_codes, frame_codes,
       scene_people TO heimdex_worker;
-- The sweep deletes videos whose time has come.
GRANT SELECT (user_id, video_id), DELETE ON scenes TO heimdex_ingest;

-- --- work across tenants -------------------------------------------------------------------------

-- These name rows, no more: whoever acts on one opens a transaction of its tenant.

CREATE FUNCTION ledger_due_runs(ring_again_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    -- Claimable, and nobody was told since it became so, or that was long ago.
    SELECT due.user_id, due.id
    FROM (
        SELECT r.user_id, r.id, r.rung_at,
               CASE r.state WHEN 'ready' THEN r.not_before ELSE r.lease_until END AS due_at
        FROM public.runs r
        WHERE r.state IN ('ready', 'running')
    ) due
    WHERE due.due_at <= now()
      AND (due.rung_at < due.due_at OR due.rung_at < now() - make_interval(secs => ring_again_s))
    ORDER BY due.due_at
    LIMIT max_rows
$$;

CREATE FUNCTION ledger_unpublished_messages(older_than_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.user_id, o.id
    FROM public.outbox o
    WHERE o.published_at IS NULL AND o.created_at <= now() - make_interval(secs => older_than_s)
    ORDER BY o.created_at
    LIMIT max_rows
$$;

CREATE FUNCTION ledger_open_uploads(older_than_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, video_id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.user_id, v.id
    FROM public.videos v
    WHERE v.state = 'uploading' AND v.deleted_at IS NULL
      AND v.created_at <= now() - make_interval(secs => older_than_s)
    ORDER BY v.created_at
    LIMIT max_rows
$$;

CREATE FUNCTION ledger_open_erasures(max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.user_id, e.id
    FROM public.erasures e
    WHERE e.done_at IS NULL
    ORDER BY e.created_at
    LIMIT max_rows
$$;

-- Videos to announce the end of.
CREATE FUNCTION ledger_expiring_videos(notice_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.user_id, v.id
    FROM public.videos v
    WHERE v.deleted_at IS NULL AND v.expiry_announced_at IS NULL
      AND v.expires_at <= now() + make_interval(secs => notice_s)
    ORDER BY v.expires_at
    LIMIT max_rows
$$;

-- Videos whose end was announced long enough ago, and has come.
CREATE FUNCTION ledger_expired_videos(notice_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.user_id, v.id
    FROM public.videos v
    WHERE v.deleted_at IS NULL AND v.expires_at <= now()
      AND v.expiry_announced_at <= now() - make_interval(secs => notice_s)
    ORDER BY v.expires_at
    LIMIT max_rows
$$;

-- What has served its purpose goes; returns how many rows went.
CREATE FUNCTION ledger_tidy(older_than_s double precision)
RETURNS bigint
VOLATILE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH keys AS (
        DELETE FROM public.idempotency_keys
        WHERE created_at < now() - make_interval(secs => older_than_s) RETURNING 1
    ), messages AS (
        DELETE FROM public.outbox
        WHERE published_at < now() - make_interval(secs => older_than_s) RETURNING 1
    ), erased AS (
        DELETE FROM public.erasures
        WHERE done_at < now() - make_interval(secs => older_than_s) RETURNING 1
    ), full_buckets AS (
        DELETE FROM public.quota_buckets
        WHERE full_at < now() - make_interval(secs => older_than_s) RETURNING 1
    )
    SELECT (SELECT count(*) FROM keys) + (SELECT count(*) FROM messages)
         + (SELECT count(*) FROM erased) + (SELECT count(*) FROM full_buckets)
$$;

-- What an operator does (python -m common.quotas.tiers): another tier begins with full buckets, and
-- its time of keeping counts from now. Returns whether anything changed.
CREATE FUNCTION set_tier(for_user uuid, to_tier text)
RETURNS boolean
VOLATILE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH changed AS (
        UPDATE public.users SET tier = to_tier
        WHERE id = for_user AND tier <> to_tier RETURNING id
    ), filled AS (
        DELETE FROM public.quota_buckets b USING changed c WHERE b.user_id = c.id
    ), promised AS (
        UPDATE public.videos v SET
            reserved_ms = NULL, expiry_announced_at = NULL,
            expires_at = now() + make_interval(days => t.retention_days)
        FROM changed c, public.tiers t
        WHERE t.name = to_tier AND v.user_id = c.id AND v.deleted_at IS NULL
    ), noted AS (
        INSERT INTO public.audit_events (user_id, id, actor, action, code)
        SELECT c.id, gen_random_uuid(), 'operator', 'tier.changed', to_tier FROM changed c
    )
    SELECT EXISTS (SELECT FROM changed)
$$;

GRANT SELECT (user_id, id, state, not_before, lease_until, rung_at) ON runs TO heimdex_ledger;
GRANT SELECT (user_id, id, state, created_at, deleted_at, expires_at, expiry_announced_at),
    UPDATE (reserved_ms, expires_at, expiry_announced_at) ON videos TO heimdex_ledger;
GRANT SELECT (user_id, id, created_at, published_at), DELETE ON outbox TO heimdex_ledger;
GRANT SELECT (user_id, id, created_at, done_at), DELETE ON erasures TO heimdex_ledger;
GRANT SELECT (user_id, created_at), DELETE ON idempotency_keys TO heimdex_ledger;
GRANT SELECT (user_id, full_at), DELETE ON quota_buckets TO heimdex_ledger;
GRANT SELECT (id, tier), UPDATE (tier) ON users TO heimdex_ledger;
GRANT SELECT ON tiers TO heimdex_ledger;
GRANT INSERT ON audit_events TO heimdex_ledger;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'runs', 'videos', 'outbox', 'erasures', 'idempotency_keys', 'quota_buckets', 'users',
        'audit_events'
    ] LOOP
        EXECUTE format('CREATE POLICY ledger ON %I TO heimdex_ledger USING (true)', name);
    END LOOP;
END $$;

-- On Cloud SQL the migrating role is no superuser: to give functions away it has to be a member of
-- their new owner, and that owner has to be able to create in the schema, both for a moment.
GRANT heimdex_ledger TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO heimdex_ledger;
DO $$
DECLARE
    signature regprocedure;
BEGIN
    FOR signature IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'ledger\_%'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO heimdex_ingest', signature);
        EXECUTE format('ALTER FUNCTION %s OWNER TO heimdex_ledger', signature);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION set_tier(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_tier(uuid, text) TO CURRENT_USER;
ALTER FUNCTION set_tier(uuid, text) OWNER TO heimdex_ledger;
REVOKE CREATE ON SCHEMA public FROM heimdex_ledger;
REVOKE heimdex_ledger FROM CURRENT_USER;

-- --- operators -----------------------------------------------------------------------------------

-- People who look after runs (python -m gpu_jobs.admin). They see states, never content: no title,
-- transcript or name. Across tenants they find ids by functions; what they change, they change in a
-- transaction of its tenant.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'heimdex_operator') THEN
        CREATE ROLE heimdex_operator LOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
END $$;

ALTER TABLE dead_letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE dead_letters FORCE ROW LEVEL SECURITY;
CREATE POLICY record ON dead_letters FOR INSERT TO heimdex_ingest
    WITH CHECK (user_id IS NULL OR user_id = app_user_id());
CREATE POLICY operator ON dead_letters TO heimdex_operator USING (true);
CREATE POLICY ledger ON dead_letters TO heimdex_ledger USING (true);
GRANT INSERT ON dead_letters TO heimdex_ingest;
GRANT SELECT, UPDATE (replayed_at, replayed_by) ON dead_letters TO heimdex_operator;
GRANT SELECT (received_at), DELETE ON dead_letters TO heimdex_ledger;

ALTER TABLE interventions ENABLE ROW LEVEL SECURITY;
ALTER TABLE interventions FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'videos', 'upload_objects', 'runs', 'jobs', 'outbox', 'erasures', 'interventions'
    ] LOOP
        EXECUTE format(
            'CREATE POLICY operator ON %I TO heimdex_operator '
            'USING (user_id = app_user_id()) WITH CHECK (user_id = app_user_id())', name);
    END LOOP;
END $$;
GRANT SELECT (user_id, id, state, error_code, generation, duration_ms, scene_count, index_version,
    created_at, updated_at, indexed_at, deleted_at), UPDATE (state, error_code, updated_at)
    ON videos TO heimdex_operator;
GRANT SELECT (user_id, video_id, ordinal, kind, language, content_type, size_bytes, expires_at,
    generation, finalized_at, error_code) ON upload_objects TO heimdex_operator;
GRANT SELECT, UPDATE ON runs, jobs TO heimdex_operator;
GRANT SELECT, INSERT, UPDATE (published_at) ON outbox TO heimdex_operator;
GRANT SELECT ON erasures TO heimdex_operator;
GRANT SELECT, INSERT ON interventions TO heimdex_operator;

CREATE FUNCTION operator_owner(video_id uuid)
RETURNS TABLE (user_id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT v.user_id FROM public.videos v WHERE v.id = video_id $$;

-- Empty strings and NULL do not narrow.
CREATE FUNCTION operator_videos(
    only_state text, only_user uuid, older_than_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, id uuid, state text, error_code text, created_at timestamptz,
               updated_at timestamptz, deleted_at timestamptz)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.user_id, v.id, v.state, v.error_code, v.created_at, v.updated_at, v.deleted_at
    FROM public.videos v
    WHERE (only_state = '' OR v.state = only_state)
      AND (only_user IS NULL OR v.user_id = only_user)
      AND v.created_at <= now() - make_interval(secs => older_than_s)
    ORDER BY v.created_at DESC, v.id
    LIMIT max_rows
$$;

CREATE FUNCTION operator_runs(
    only_state text, only_user uuid, older_than_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, id uuid, video_id uuid, lane text, state text, attempt smallint,
               error_code text, created_at timestamptz, lease_until timestamptz)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.user_id, r.id, r.video_id, r.lane, r.state, r.attempt, r.error_code, r.created_at,
           r.lease_until
    FROM public.runs r
    WHERE (only_state = '' OR r.state = only_state)
      AND (only_user IS NULL OR r.user_id = only_user)
      AND r.created_at <= now() - make_interval(secs => older_than_s)
    ORDER BY r.created_at DESC, r.id
    LIMIT max_rows
$$;

GRANT SELECT (error_code, updated_at) ON videos TO heimdex_ledger;
GRANT SELECT (video_id, lane, attempt, error_code, created_at) ON runs TO heimdex_ledger;

-- Dead letters are kept for people, but not for ever; returns how many rows went.
CREATE FUNCTION ledger_forget_letters(older_than_s double precision)
RETURNS bigint
VOLATILE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH letters AS (
        DELETE FROM public.dead_letters
        WHERE received_at < now() - make_interval(secs => older_than_s) RETURNING 1
    )
    SELECT count(*) FROM letters
$$;

-- The same for a moment as above.
GRANT heimdex_ledger TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO heimdex_ledger;
DO $$
DECLARE
    signature regprocedure;
BEGIN
    FOR signature IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
          AND proname IN ('operator_owner', 'operator_videos', 'operator_runs')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO heimdex_operator', signature);
        EXECUTE format('ALTER FUNCTION %s OWNER TO heimdex_ledger', signature);
    END LOOP;
    FOR signature IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname = 'ledger_forget_letters'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO heimdex_ingest', signature);
        EXECUTE format('ALTER FUNCTION %s OWNER TO heimdex_ledger', signature);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM heimdex_ledger;
REVOKE heimdex_ledger FROM CURRENT_USER;

-- --- figures -------------------------------------------------------------------------------------

-- What the sweep logs each minute, and what operators look at (common/ledger/figures.py): numbers,
-- codes and ids across tenants. The role that finds work for the sweep counts here too; of content
-- it sees no more than before.
CREATE POLICY ledger ON jobs FOR SELECT TO heimdex_ledger USING (true);
CREATE POLICY ledger ON upload_objects FOR SELECT TO heimdex_ledger USING (true);
GRANT SELECT (created_at, deleted_at) ON users TO heimdex_ledger;
GRANT SELECT (duration_ms, indexed_at) ON videos TO heimdex_ledger;
GRANT SELECT (user_id, run_id, stage, state, finished_at, duration_ms) ON jobs TO heimdex_ledger;
GRANT SELECT (user_id, video_id, finalized_at) ON upload_objects TO heimdex_ledger;
GRANT SELECT (replayed_at) ON dead_letters TO heimdex_ledger;
GRANT SELECT (user_id, at, action, code) ON audit_events TO heimdex_ledger;

-- A row for each lane asked for, also when nothing waits there.
CREATE FUNCTION ledger_backlog(lanes text[])
RETURNS TABLE (lane text, ready bigint, running bigint, oldest_ready_s double precision)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT l.lane,
           count(r.id) FILTER (WHERE r.state = 'ready'),
           count(r.id) FILTER (WHERE r.state = 'running'),
           coalesce(max(extract(epoch FROM now() - r.not_before)) FILTER (
               WHERE r.state = 'ready'), 0)
    FROM unnest(lanes) l (lane)
    LEFT JOIN public.runs r
        ON r.lane = l.lane AND (r.state = 'ready' AND r.not_before <= now() OR r.state = 'running')
    GROUP BY l.lane
$$;

CREATE FUNCTION ledger_gauges()
RETURNS TABLE (open_uploads bigint, unfinished_videos bigint, oldest_unfinished_s double precision,
               unpublished_messages bigint, open_erasures bigint, oldest_erasure_s double precision,
               open_letters bigint)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT uploads.n, videos.n, videos.oldest_s, messages.n, erasures.n, erasures.oldest_s, letters.n
    FROM (SELECT count(*) AS n FROM public.videos v
          WHERE v.state = 'uploading' AND v.deleted_at IS NULL) uploads,
         (SELECT count(*) AS n,
                 coalesce(max(extract(epoch FROM now() - v.updated_at)), 0) AS oldest_s
          FROM public.videos v
          WHERE v.state IN ('queued', 'processing') AND v.deleted_at IS NULL) videos,
         (SELECT count(*) AS n FROM public.outbox o WHERE o.published_at IS NULL) messages,
         (SELECT count(*) AS n,
                 coalesce(max(extract(epoch FROM now() - e.created_at)), 0) AS oldest_s
          FROM public.erasures e WHERE e.done_at IS NULL) erasures,
         (SELECT count(*) AS n FROM public.dead_letters d WHERE d.replayed_at IS NULL) letters
$$;

-- The same for operators, who may not call what the sweep calls.
CREATE FUNCTION operator_backlog(lanes text[])
RETURNS TABLE (lane text, ready bigint, running bigint, oldest_ready_s double precision)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM public.ledger_backlog(lanes) $$;

CREATE FUNCTION operator_gauges()
RETURNS TABLE (open_uploads bigint, unfinished_videos bigint, oldest_unfinished_s double precision,
               unpublished_messages bigint, open_erasures bigint, oldest_erasure_s double precision,
               open_letters bigint)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM public.ledger_gauges() $$;

-- Who has most, first.
CREATE FUNCTION operator_users(max_rows integer)
RETURNS TABLE (user_id uuid, tier text, created_at timestamptz, deleted_at timestamptz,
               videos bigint, indexed bigint, failed bigint, video_ms numeric,
               last_upload_at timestamptz)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.id, u.tier, u.created_at, u.deleted_at, count(v.id),
           count(v.id) FILTER (WHERE v.state = 'indexed'),
           count(v.id) FILTER (WHERE v.state = 'failed'),
           coalesce(sum(v.duration_ms), 0), max(v.created_at)
    FROM public.users u
    LEFT JOIN public.videos v ON v.user_id = u.id AND v.deleted_at IS NULL
    GROUP BY u.id
    ORDER BY count(v.id) DESC, u.created_at DESC, u.id
    LIMIT max_rows
$$;

CREATE FUNCTION operator_video_states()
RETURNS TABLE (state text, videos bigint, video_ms numeric)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.state, count(*), coalesce(sum(v.duration_ms), 0)
    FROM public.videos v WHERE v.deleted_at IS NULL
    GROUP BY v.state ORDER BY v.state
$$;

CREATE FUNCTION operator_failures(since_s double precision)
RETURNS TABLE (error_code text, videos bigint, users bigint, last_at timestamptz, last_video uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(v.error_code, ''), count(*), count(DISTINCT v.user_id), max(v.updated_at),
           (array_agg(v.id ORDER BY v.updated_at DESC, v.id))[1]
    FROM public.videos v
    WHERE v.state = 'failed' AND v.deleted_at IS NULL
      AND v.updated_at >= now() - make_interval(secs => since_s)
    GROUP BY v.error_code ORDER BY count(*) DESC, max(v.updated_at) DESC
$$;

CREATE FUNCTION operator_stage_times(since_s double precision)
RETURNS TABLE (lane text, stage text, done bigint, p50_ms double precision, p95_ms double precision,
               total_ms numeric)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.lane, j.stage, count(*),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY j.duration_ms),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY j.duration_ms), sum(j.duration_ms)
    FROM public.jobs j JOIN public.runs r ON r.user_id = j.user_id AND r.id = j.run_id
    WHERE j.state = 'done' AND j.finished_at >= now() - make_interval(secs => since_s)
    GROUP BY r.lane, j.stage ORDER BY r.lane, j.stage
$$;

-- From the last object's arrival until the video could be searched.
CREATE FUNCTION operator_indexed(since_s double precision)
RETURNS TABLE (videos bigint, video_ms numeric, p50_s double precision, p95_s double precision)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*), coalesce(sum(waited.duration_ms), 0),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY waited.s),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY waited.s)
    FROM (
        SELECT v.duration_ms, CAST(extract(epoch FROM v.indexed_at - (
                   SELECT max(o.finalized_at) FROM public.upload_objects o
                   WHERE o.user_id = v.user_id AND o.video_id = v.id)) AS double precision) AS s
        FROM public.videos v
        WHERE v.state = 'indexed' AND v.deleted_at IS NULL
          AND v.indexed_at >= now() - make_interval(secs => since_s)
    ) waited
$$;

-- Once an hour for each user and code (common/audit.py).
CREATE FUNCTION operator_refusals(since_s double precision)
RETURNS TABLE (code text, refusals bigint, users bigint)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(a.code, ''), count(*), count(DISTINCT a.user_id)
    FROM public.audit_events a
    WHERE a.action = 'quota.refused' AND a.at >= now() - make_interval(secs => since_s)
    GROUP BY a.code ORDER BY count(*) DESC, a.code
$$;

-- The same for a moment as above.
GRANT heimdex_ledger TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO heimdex_ledger;
DO $$
DECLARE
    signature regprocedure;
    caller    text;
BEGIN
    FOR signature, caller IN
        SELECT f.oid, CASE WHEN f.proname LIKE 'ledger\_%' THEN 'heimdex_ingest'
                           ELSE 'heimdex_operator' END
        FROM pg_proc f
        WHERE f.pronamespace = 'public'::regnamespace AND f.proname IN (
            'ledger_backlog', 'ledger_gauges', 'operator_backlog', 'operator_gauges',
            'operator_users', 'operator_video_states', 'operator_failures',
            'operator_stage_times', 'operator_indexed', 'operator_refusals')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', signature, caller);
        EXECUTE format('ALTER FUNCTION %s OWNER TO heimdex_ledger', signature);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM heimdex_ledger;
REVOKE heimdex_ledger FROM CURRENT_USER;

-- --- erasure and export --------------------------------------------------------------------------

-- The tenant as a receipt names it.
CREATE FUNCTION app_user_sha256() RETURNS text STABLE PARALLEL SAFE LANGUAGE sql
AS $$ SELECT encode(sha256(convert_to(public.app_user_id()::text, 'UTF8')), 'hex') $$;

ALTER TABLE erasure_receipts ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasure_receipts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON erasure_receipts TO heimdex_api, heimdex_ingest, heimdex_worker
    USING (user_sha256 = app_user_sha256()) WITH CHECK (user_sha256 = app_user_sha256());
CREATE POLICY operator ON erasure_receipts TO heimdex_operator USING (true);
GRANT SELECT, INSERT ON erasure_receipts TO heimdex_api;
GRANT SELECT, UPDATE ON erasure_receipts TO heimdex_ingest;
-- Free videos end by the sweep, which deletes as the user would: ids alone, to say how many went.
GRANT SELECT (id) ON scenes TO heimdex_ingest;
GRANT SELECT (user_id, scene_id) ON scene_terms, scene_tags, text_vectors, frame_vectors, text_codes,
    frame_codes, scene_people TO heimdex_ingest;
GRANT SELECT (user_id, response), UPDATE (response) ON idempotency_keys TO heimdex_ingest;
GRANT INSERT ON erasure_receipts TO heimdex_ingest;
GRANT SELECT ON erasure_receipts TO heimdex_operator;

ALTER TABLE exports ENABLE ROW LEVEL SECURITY;
ALTER TABLE exports FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON exports TO heimdex_api, heimdex_ingest, heimdex_worker
    USING (user_id = app_user_id()) WITH CHECK (user_id = app_user_id());
CREATE POLICY ledger ON exports TO heimdex_ledger USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON exports TO heimdex_api;
GRANT SELECT, UPDATE ON exports TO heimdex_ingest;
GRANT SELECT (user_id, id, state, lease_until, rung_at, object_name, created_at, expires_at), DELETE
    ON exports TO heimdex_ledger;

-- Whoever leaves is marked.
GRANT UPDATE (email, deleted_at) ON users TO heimdex_api;
-- When nothing can be written any more, what stood for the deleted goes too.
GRANT DELETE ON users, videos, outbox, erasures TO heimdex_ingest;
-- Videos are deleted without a person asking, too, when their time is over.
GRANT INSERT ON erasures, erasure_receipts TO heimdex_ingest;
GRANT SELECT (user_id, id, video_id), DELETE ON scenes TO heimdex_ingest;
GRANT SELECT (user_id, scene_id) ON scene_terms, scene_tags, text_vectors, frame_vectors,
    text_codes, frame_codes, scene_people TO heimdex_ingest;
GRANT SELECT (user_id, response), UPDATE (response) ON idempotency_keys TO heimdex_ingest;

CREATE FUNCTION ledger_due_exports(ring_again_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.user_id, e.id
    FROM public.exports e
    WHERE (e.state = 'pending' OR e.state = 'building' AND e.lease_until < now())
      AND (e.rung_at IS NULL OR e.rung_at < now() - make_interval(secs => ring_again_s))
    ORDER BY e.created_at
    LIMIT max_rows
$$;

CREATE FUNCTION ledger_expired_exports(max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.user_id, e.id
    FROM public.exports e
    WHERE e.object_name IS NOT NULL AND e.expires_at <= now()
    ORDER BY e.expires_at
    LIMIT max_rows
$$;

-- Exports whose archive is gone; returns how many rows went.
CREATE FUNCTION ledger_forget_exports(older_than_s double precision)
RETURNS bigint
VOLATILE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH old AS (
        DELETE FROM public.exports e
        WHERE e.object_name IS NULL AND e.state IN ('failed', 'expired')
          AND e.created_at < now() - make_interval(secs => older_than_s) RETURNING 1
    )
    SELECT count(*) FROM old
$$;

-- What is left of an id, anywhere, in numbers alone: the proof that an erasure was complete. It
-- belongs to a role of its own, which sees every row and which nobody can log in as.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'heimdex_auditor') THEN
        CREATE ROLE heimdex_auditor NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relrowsecurity
    LOOP
        EXECUTE format('GRANT SELECT ON %I TO heimdex_auditor', name);
        EXECUTE format('CREATE POLICY audit ON %I FOR SELECT TO heimdex_auditor USING (true)', name);
    END LOOP;
END $$;

CREATE FUNCTION operator_residue(ids uuid[])
RETURNS TABLE (in_table text, in_column text, found bigint)
STABLE LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Ids alone: whoever could look for words would learn what people said.
    needles CONSTANT text[] := ARRAY(
        SELECT form FROM unnest(ids) i, LATERAL (VALUES (i::text), (replace(i::text, '-', ''))) f (form));
    place record;
BEGIN
    -- Audit events stay: that something was deleted is one of them.
    -- From the catalog, not the information schema: that hides tables which the role may not read,
    -- and what cannot be searched has to be an error.
    FOR place IN
        SELECT c.relname, a.attname
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND c.relrowsecurity AND a.attnum > 0 AND NOT a.attisdropped
          AND c.relname <> 'audit_events'
          AND a.atttypid::regtype::text IN
              ('uuid', 'text', 'character varying', 'json', 'jsonb', 'uuid[]', 'text[]')
        ORDER BY c.relname, a.attnum
    LOOP
        RETURN QUERY EXECUTE format(
            'SELECT %L::text, %L::text, count(*) FROM public.%I '
            'WHERE EXISTS (SELECT FROM unnest($1) n WHERE position(n IN %I::text) > 0) '
            'HAVING count(*) > 0',
            place.relname, place.attname, place.relname, place.attname) USING needles;
    END LOOP;
END $$;

-- The ids of a video, or of a user with all videos, to look for.
CREATE FUNCTION operator_ids(subject uuid)
RETURNS TABLE (id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT subject
    UNION SELECT v.id FROM public.videos v WHERE v.user_id = subject
    UNION SELECT r.id FROM public.runs r WHERE subject IN (r.user_id, r.video_id)
$$;

GRANT heimdex_ledger, heimdex_auditor TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO heimdex_ledger, heimdex_auditor;
DO $$
DECLARE
    signature regprocedure;
    owner     text;
    caller    text;
BEGIN
    FOR signature, owner, caller IN
        SELECT f.oid,
               CASE WHEN f.proname LIKE 'ledger\_%' THEN 'heimdex_ledger'
                    ELSE 'heimdex_auditor' END,
               CASE WHEN f.proname LIKE 'ledger\_%' THEN 'heimdex_ingest'
                    ELSE 'heimdex_operator' END
        FROM pg_proc f
        WHERE f.pronamespace = 'public'::regnamespace AND f.proname IN (
            'ledger_due_exports', 'ledger_expired_exports', 'ledger_forget_exports',
            'operator_residue', 'operator_ids')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', signature, caller);
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', signature, owner);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM heimdex_ledger, heimdex_auditor;
REVOKE heimdex_ledger, heimdex_auditor FROM CURRENT_USER;

-- --- version -------------------------------------------------------------------------------------
--
-- Alembic's own table: which migrations have been applied. Every process looks whether the schema is
-- new enough for it (common/sql/version.py).
CREATE TABLE alembic_version (
    version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY
);
INSERT INTO alembic_version VALUES ('0008');
GRANT SELECT ON alembic_version TO heimdex_api, heimdex_ingest, heimdex_worker, heimdex_operator;
