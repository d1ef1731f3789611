-- People: what is known of them, faces, and what the user said about faces.

ALTER TABLE people
    ADD COLUMN aliases text[] NOT NULL DEFAULT '{}',
    ADD COLUMN consent_policy_version text,
    ADD COLUMN consent_at timestamptz,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN merged_into uuid,
    ADD CHECK ((consent_policy_version IS NULL) = (consent_at IS NULL)),
    ADD CHECK (merged_into <> id),
    ADD FOREIGN KEY (user_id, merged_into) REFERENCES people (user_id, id) ON DELETE CASCADE;
CREATE INDEX people_merged ON people (user_id, merged_into) WHERE merged_into IS NOT NULL;

ALTER TABLE scene_people
    ADD COLUMN first_ms bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_ms bigint NOT NULL DEFAULT 0,
    ADD COLUMN best_ms bigint NOT NULL DEFAULT 0;

-- Photos to learn a person's face from. (Who was merged into another keeps theirs.)
CREATE TABLE person_photos (
    user_id       uuid NOT NULL,
    id            uuid NOT NULL,
    person_id     uuid NOT NULL,
    object_name   text NOT NULL,
    content_type  text NOT NULL,
    size_bytes    bigint NOT NULL CHECK (size_bytes > 0),
    crc32c        text,
    generation    bigint,
    expires_at    timestamptz NOT NULL,
    state         text NOT NULL DEFAULT 'uploading'
                  CHECK (state IN ('uploading', 'processing', 'accepted', 'rejected')),
    -- Why it cannot be used: an error code.
    problem       text CHECK (problem ~ '^[a-z0-9_]{1,64}$'),
    created_at    timestamptz NOT NULL DEFAULT now(),
    finalized_at  timestamptz,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, object_name),
    FOREIGN KEY (user_id, person_id) REFERENCES people (user_id, id) ON DELETE CASCADE
);
CREATE INDEX person_photos_by_person ON person_photos (user_id, person_id);

-- The one face of a photo.
CREATE TABLE photo_faces (
    user_id    uuid NOT NULL,
    photo_id   uuid NOT NULL,
    person_id  uuid NOT NULL,
    -- Of the recogniser: faces of different models are never compared.
    model      text NOT NULL,
    quality    real NOT NULL CHECK (quality BETWEEN 0 AND 1),
    -- Left, top, width, height: shares of the picture.
    box        real[] NOT NULL CHECK (cardinality(box) = 4),
    vector     halfvec(512) NOT NULL,
    PRIMARY KEY (user_id, photo_id),
    FOREIGN KEY (user_id, photo_id) REFERENCES person_photos (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, person_id) REFERENCES people (user_id, id) ON DELETE CASCADE
);
ALTER TABLE photo_faces ALTER COLUMN vector SET STORAGE PLAIN;
CREATE INDEX photo_faces_by_person ON photo_faces (user_id, person_id);

-- Faces in the frames of videos, of nobody in particular. Of a video, not of a scene: every index
-- version cuts the same faces into scenes of its own. The id follows from video, time and box, so
-- that what a user said about a face survives the video's being processed again.
CREATE TABLE face_observations (
    user_id    uuid NOT NULL,
    id         uuid NOT NULL,
    video_id   uuid NOT NULL,
    time_ms    bigint NOT NULL CHECK (time_ms >= 0),
    model      text NOT NULL,
    quality    real NOT NULL CHECK (quality BETWEEN 0 AND 1),
    -- Left, top, width, height: shares of the frame.
    box        real[] NOT NULL CHECK (cardinality(box) = 4),
    vector     halfvec(512) NOT NULL,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, video_id) REFERENCES videos (user_id, id) ON DELETE CASCADE
);
ALTER TABLE face_observations ALTER COLUMN vector SET STORAGE PLAIN;
CREATE INDEX face_observations_by_video ON face_observations (user_id, video_id, time_ms);

-- Faces that look like one person, over all videos. With a person: the user said who it is.
CREATE TABLE face_clusters (
    user_id    uuid NOT NULL,
    id         uuid NOT NULL,
    person_id  uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, person_id) REFERENCES people (user_id, id) ON DELETE CASCADE
);
CREATE INDEX face_clusters_by_person ON face_clusters (user_id, person_id)
    WHERE person_id IS NOT NULL;

CREATE TABLE face_assignments (
    user_id        uuid NOT NULL,
    observation_id uuid NOT NULL,
    cluster_id     uuid NOT NULL,
    PRIMARY KEY (user_id, observation_id) INCLUDE (cluster_id),
    FOREIGN KEY (user_id, observation_id) REFERENCES face_observations (user_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (user_id, cluster_id) REFERENCES face_clusters (user_id, id) ON DELETE CASCADE
);
CREATE INDEX face_assignments_by_cluster ON face_assignments (user_id, cluster_id);

-- "This is not them": respected by every matching.
CREATE TABLE face_negatives (
    user_id        uuid NOT NULL,
    observation_id uuid NOT NULL,
    person_id      uuid NOT NULL,
    PRIMARY KEY (user_id, observation_id, person_id),
    FOREIGN KEY (user_id, observation_id) REFERENCES face_observations (user_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (user_id, person_id) REFERENCES people (user_id, id) ON DELETE CASCADE
);
CREATE INDEX face_negatives_by_person ON face_negatives (user_id, person_id);

-- What the user did to people and clusters, to be undone: rows as they were and as they became.
CREATE TABLE people_journal (
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id         uuid NOT NULL,
    -- Order of the user's operations.
    seq        bigint NOT NULL,
    kind       text NOT NULL CHECK (kind ~ '^[a-z_]{1,32}$'),
    before     jsonb NOT NULL,
    after      jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    undone_at  timestamptz,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, seq)
);

-- The user's own consent to faces being looked for in their videos; the open one counts.
CREATE TABLE face_consents (
    user_id        uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id             uuid NOT NULL,
    policy_version text NOT NULL,
    given_at       timestamptz NOT NULL DEFAULT now(),
    withdrawn_at   timestamptz,
    PRIMARY KEY (user_id, id)
);
CREATE UNIQUE INDEX face_consents_open ON face_consents (user_id) WHERE withdrawn_at IS NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'person_photos', 'photo_faces', 'face_observations', 'face_clusters', 'face_assignments',
        'face_negatives', 'people_journal', 'face_consents'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON %I TO heimdex_api, heimdex_ingest, heimdex_worker '
            'USING (user_id = app_user_id()) WITH CHECK (user_id = app_user_id())', name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE
    ON person_photos, face_clusters, face_assignments, face_negatives, people_journal, face_consents
    TO heimdex_api;
GRANT SELECT, UPDATE, DELETE ON photo_faces, face_observations TO heimdex_api;

GRANT SELECT, UPDATE ON person_photos TO heimdex_ingest;
GRANT SELECT (user_id, id, video_id), DELETE ON face_observations TO heimdex_ingest;
GRANT SELECT ON face_consents TO heimdex_ingest;

-- They look at faces, and sort them; who it is, the user says.
GRANT SELECT, UPDATE ON person_photos TO heimdex_worker;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON photo_faces, face_observations, face_clusters, face_assignments TO heimdex_worker;
GRANT SELECT, INSERT ON face_negatives TO heimdex_worker;
GRANT SELECT ON face_consents TO heimdex_worker;

-- The proof that an erasure was complete looks here too.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'person_photos', 'photo_faces', 'face_observations', 'face_clusters', 'face_assignments',
        'face_negatives', 'people_journal', 'face_consents'
    ] LOOP
        EXECUTE format('GRANT SELECT ON %I TO heimdex_auditor', name);
        EXECUTE format('CREATE POLICY audit ON %I FOR SELECT TO heimdex_auditor USING (true)', name);
    END LOOP;
END $$;
