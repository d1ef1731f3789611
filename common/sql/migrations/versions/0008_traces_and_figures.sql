-- W3C trace context of the request that began the upload: Cloud Storage does not pass it on.
ALTER TABLE videos ADD COLUMN traceparent text NOT NULL DEFAULT '';

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
