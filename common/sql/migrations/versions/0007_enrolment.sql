-- A run is about a video or a photo.
ALTER TABLE runs
    ALTER COLUMN video_id DROP NOT NULL,
    ADD COLUMN photo_id uuid,
    ADD CHECK ((video_id IS NULL) <> (photo_id IS NULL)),
    ADD UNIQUE NULLS NOT DISTINCT (user_id, video_id, photo_id, generation, lane),
    DROP CONSTRAINT runs_user_id_video_id_generation_lane_key,
    ADD FOREIGN KEY (user_id, photo_id) REFERENCES person_photos (user_id, id) ON DELETE CASCADE;
CREATE INDEX runs_by_photo ON runs (user_id, photo_id) WHERE photo_id IS NOT NULL;

-- What a committed transaction owes the withdrawal of faces: objects. Their rows are gone already.
CREATE TABLE face_erasures (
    user_id        uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id             uuid NOT NULL,
    -- NULL: everything that was made of faces, the user's photos of people included.
    person_id      uuid,
    -- NULL: all photos of the person.
    photo_id       uuid,
    -- Until then an upload URL works that was given out before.
    writable_until timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    CHECK (photo_id IS NULL OR person_id IS NOT NULL)
);
ALTER TABLE face_erasures ENABLE ROW LEVEL SECURITY;
ALTER TABLE face_erasures FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON face_erasures TO heimdex_api, heimdex_ingest, heimdex_worker
    USING (user_id = app_user_id()) WITH CHECK (user_id = app_user_id());
CREATE POLICY ledger ON face_erasures TO heimdex_ledger USING (true);
CREATE POLICY ledger ON person_photos TO heimdex_ledger USING (true);
CREATE POLICY audit ON face_erasures FOR SELECT TO heimdex_auditor USING (true);
GRANT SELECT, INSERT, DELETE ON face_erasures TO heimdex_api;
GRANT SELECT, DELETE ON face_erasures TO heimdex_ingest;
-- A message about a photo's run goes with the photo.
GRANT DELETE ON outbox TO heimdex_api;
GRANT SELECT (user_id, id, created_at) ON face_erasures TO heimdex_ledger;
GRANT SELECT (user_id, id, state, created_at) ON person_photos TO heimdex_ledger;
GRANT SELECT ON face_erasures TO heimdex_auditor;

ALTER TABLE erasure_receipts DROP CONSTRAINT erasure_receipts_subject_check,
    ADD CHECK (subject IN ('video', 'account', 'person', 'photo', 'faces'));

CREATE FUNCTION ledger_open_photos(older_than_s double precision, max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.user_id, p.id
    FROM public.person_photos p
    WHERE p.state = 'uploading' AND p.created_at <= now() - make_interval(secs => older_than_s)
    ORDER BY p.created_at
    LIMIT max_rows
$$;

CREATE FUNCTION ledger_open_face_erasures(max_rows integer)
RETURNS TABLE (user_id uuid, id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.user_id, e.id
    FROM public.face_erasures e
    ORDER BY e.created_at
    LIMIT max_rows
$$;

GRANT heimdex_ledger, heimdex_auditor TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO heimdex_ledger, heimdex_auditor;
-- The ids of a video, of a person or photo, or of a user with all of them, to look for.
CREATE OR REPLACE FUNCTION operator_ids(subject uuid)
RETURNS TABLE (id uuid)
STABLE LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT subject
    UNION SELECT v.id FROM public.videos v WHERE v.user_id = subject
    UNION SELECT p.id FROM public.people p WHERE p.user_id = subject
    UNION SELECT f.id FROM public.person_photos f WHERE subject IN (f.user_id, f.person_id)
    UNION SELECT r.id FROM public.runs r WHERE subject IN (r.user_id, r.video_id, r.photo_id)
    UNION SELECT r.id FROM public.runs r JOIN public.person_photos f
        ON f.user_id = r.user_id AND f.id = r.photo_id WHERE f.person_id = subject
$$;
DO $$
DECLARE
    signature regprocedure;
BEGIN
    FOR signature IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
          AND proname IN ('ledger_open_photos', 'ledger_open_face_erasures')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO heimdex_ingest', signature);
        EXECUTE format('ALTER FUNCTION %s OWNER TO heimdex_ledger', signature);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM heimdex_ledger, heimdex_auditor;
REVOKE heimdex_ledger, heimdex_auditor FROM CURRENT_USER;
