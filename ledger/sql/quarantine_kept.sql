-- What came is kept as it came, and what people decided about it as they decided it: the database
-- refuses to change either. What became of a message, and how often it was seen, goes on.
CREATE FUNCTION quarantine_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what came is kept as it came: mend it in a decision instead'
        USING ERRCODE = 'restrict_violation';
END
$$;

-- Fires by the columns that a statement names, so that what a worker counts costs nothing.
CREATE TRIGGER quarantine_kept
    BEFORE UPDATE OF raw, raw_size, digest, topic, reason, detail, item_index, first_received_at
    ON quarantine
    FOR EACH ROW EXECUTE FUNCTION quarantine_refuse_change();

CREATE TRIGGER quarantine_decision_append_only
    BEFORE UPDATE OR DELETE ON quarantine_decision
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER quarantine_decision_no_truncate
    BEFORE TRUNCATE ON quarantine_decision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
