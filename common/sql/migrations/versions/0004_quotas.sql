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

ALTER TABLE users ADD COLUMN tier text NOT NULL DEFAULT 'free' REFERENCES tiers (name);

-- Videos that are there already are kept: nobody was told otherwise.
ALTER TABLE videos
    ADD COLUMN reserved_ms bigint,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN expiry_announced_at timestamptz;
CREATE INDEX videos_expiring ON videos (expires_at)
    WHERE expires_at IS NOT NULL AND deleted_at IS NULL;

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

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['quota_buckets', 'audit_events'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON %I TO heimdex_api, heimdex_ingest, heimdex_worker '
            'USING (user_id = app_user_id()) WITH CHECK (user_id = app_user_id())', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['quota_buckets', 'users', 'audit_events'] LOOP
        EXECUTE format('CREATE POLICY ledger ON %I TO heimdex_ledger USING (true)', name);
    END LOOP;
END $$;

GRANT SELECT ON tiers, tier_limits TO heimdex_api, heimdex_ingest, heimdex_worker;
GRANT SELECT, INSERT ON audit_events TO heimdex_api, heimdex_ingest, heimdex_worker;
GRANT SELECT, UPDATE ON quota_buckets TO heimdex_api, heimdex_ingest, heimdex_worker;
GRANT INSERT ON quota_buckets TO heimdex_api;
REVOKE INSERT, UPDATE ON users FROM heimdex_api;
GRANT INSERT (id, firebase_uid, email), UPDATE (email) ON users TO heimdex_api;
GRANT INSERT ON erasures TO heimdex_ingest;
GRANT SELECT (user_id, video_id), DELETE ON scenes TO heimdex_ingest;

GRANT SELECT (expires_at, expiry_announced_at),
    UPDATE (reserved_ms, expires_at, expiry_announced_at) ON videos TO heimdex_ledger;
GRANT SELECT (user_id, full_at), DELETE ON quota_buckets TO heimdex_ledger;
GRANT SELECT (id, tier), UPDATE (tier) ON users TO heimdex_ledger;
GRANT SELECT ON tiers TO heimdex_ledger;
GRANT INSERT ON audit_events TO heimdex_ledger;

-- To replace a function and to give others away, for a moment (as in the first schema).
GRANT heimdex_ledger TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO heimdex_ledger;

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
CREATE OR REPLACE FUNCTION ledger_tidy(older_than_s double precision)
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

DO $$
DECLARE
    signature regprocedure;
BEGIN
    FOREACH signature IN ARRAY ARRAY[
        'ledger_expiring_videos(double precision, integer)',
        'ledger_expired_videos(double precision, integer)'
    ]::regprocedure[] LOOP
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
