-- An account that is being erased; nobody may sign in to it.
ALTER TABLE users ADD COLUMN deleted_at timestamptz;
-- Without a video: the whole account.
ALTER TABLE erasures ALTER COLUMN video_id DROP NOT NULL;

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
GRANT UPDATE (deleted_at) ON users TO heimdex_api;
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
