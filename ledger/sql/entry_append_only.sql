-- An entry is never changed: a correction is a row of its own. The database refuses, whoever asks.
-- Row triggers on the parent are copied to each partition by PostgreSQL; TRUNCATE has statement
-- triggers only, so each partition gets its own as it is made (entry_partitions.sql).
CREATE FUNCTION entry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entry is append-only: % is refused; record a correction instead', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER entry_append_only
    BEFORE UPDATE OR DELETE ON entry
    FOR EACH ROW EXECUTE FUNCTION entry_refuse_change();

CREATE TRIGGER entry_no_truncate
    BEFORE TRUNCATE ON entry
    FOR EACH STATEMENT EXECUTE FUNCTION entry_refuse_change();

CREATE TRIGGER entry_no_truncate
    BEFORE TRUNCATE ON entry_default
    FOR EACH STATEMENT EXECUTE FUNCTION entry_refuse_change();
