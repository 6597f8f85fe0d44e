-- What staff do is kept for good, like what happened: corrections, what they move, and the audit
-- trail. The database refuses to change or delete it, whoever asks.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

-- A proposal is decided once; all else about a correction stays as it was written.
CREATE FUNCTION correction_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision constant text[] :=
        ARRAY['status', 'decided_by_id', 'decided_at', 'decision_note', 'posted_to'];
BEGIN
    IF OLD.status <> 'proposed' THEN
        RAISE EXCEPTION 'this correction was decided already: it is %', OLD.status
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(OLD) - decision IS DISTINCT FROM to_jsonb(NEW) - decision THEN
        RAISE EXCEPTION 'correction is append-only: propose a new revision instead'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER correction_decided_once
    BEFORE UPDATE ON correction
    FOR EACH ROW EXECUTE FUNCTION correction_refuse_change();

CREATE TRIGGER correction_append_only
    BEFORE DELETE ON correction
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER correction_no_truncate
    BEFORE TRUNCATE ON correction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER correction_posting_append_only
    BEFORE UPDATE OR DELETE ON correction_posting
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER correction_posting_no_truncate
    BEFORE TRUNCATE ON correction_posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER audit_event_append_only
    BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER audit_event_no_truncate
    BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
