"""The database's own record of every change of state and token, which no process can skip."""

from __future__ import annotations

from typing import Final

STATEMENTS: Final = (
    # A schema of its own: it is no table of the platform's.
    "CREATE SCHEMA faults",
    """
    CREATE TABLE faults.changes (
        n bigserial PRIMARY KEY, kind text, user_id uuid, id uuid, old_state text, new_state text,
        old_attempt integer, new_attempt integer, old_token bigint, new_token bigint)
    """,
    """
    CREATE FUNCTION faults.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE
        was jsonb := to_jsonb(OLD);
        now jsonb := to_jsonb(NEW);
    BEGIN
        IF was -> 'state' = now -> 'state'
           AND was -> 'attempt' IS NOT DISTINCT FROM now -> 'attempt'
           AND was -> 'fencing_token' IS NOT DISTINCT FROM now -> 'fencing_token' THEN
            RETURN NEW;
        END IF;
        INSERT INTO faults.changes (kind, user_id, id, old_state, new_state, old_attempt,
                                    new_attempt, old_token, new_token)
        VALUES (TG_TABLE_NAME, NEW.user_id, NEW.id, OLD.state, NEW.state,
                (was ->> 'attempt')::integer, (now ->> 'attempt')::integer,
                (was ->> 'fencing_token')::bigint, (now ->> 'fencing_token')::bigint);
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER note AFTER UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION faults.note_change()",
    "CREATE TRIGGER note AFTER UPDATE ON videos FOR EACH ROW EXECUTE FUNCTION faults.note_change()",
)
