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
