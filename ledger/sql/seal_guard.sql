-- A sealed day stays as it was sealed, whoever asks. The day's own row is guarded by a row trigger
-- whose condition is all that an unsealed day pays. The totals are guarded once a statement, with
-- one look at the days it touched, because a batch of the ingest worker touches hundreds of rows.
-- Entries have no such guard: COPY into a partitioned table writes row by row as soon as there is
-- a statement trigger on it, at a multiple of the cost. They cannot come in past the guard unless
-- whoever writes them leaves out day and totals too, which verify_ledger finds.
CREATE FUNCTION refuse_sealed_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the fiscal day % of site % is sealed: % of % is refused',
        OLD.fiscal_day, OLD.site_id, TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER fiscal_day_sealed
    BEFORE UPDATE OR DELETE ON fiscal_day
    FOR EACH ROW WHEN (OLD.sealed_at IS NOT NULL)
    EXECUTE FUNCTION refuse_sealed_change();

CREATE FUNCTION refuse_changes_of_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sealed record;
BEGIN
    SELECT d.site_id, d.fiscal_day INTO sealed
    FROM changed JOIN fiscal_day d USING (site_id, fiscal_day)
    WHERE d.sealed_at IS NOT NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the fiscal day % of site % is sealed: % of % is refused',
            sealed.fiscal_day, sealed.site_id, TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION refuse_truncate_of_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fiscal_day WHERE sealed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'there are sealed days: TRUNCATE of % is refused', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER fiscal_day_sealed_truncate
    BEFORE TRUNCATE ON fiscal_day
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate_of_sealed();

DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY[
        'day_total', 'hour_total', 'payment_total', 'declared_total', 'totalizer', 'dip'
    ] LOOP
        -- What a row was and what it becomes are both looked at: moving one into or out of a
        -- sealed day is a change of that day.
        EXECUTE format(
            'CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS changed '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_changes_of_sealed()',
            guarded || '_sealed_insert', guarded
        );
        EXECUTE format(
            'CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING NEW TABLE AS changed '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_changes_of_sealed()',
            guarded || '_sealed_update', guarded
        );
        EXECUTE format(
            'CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS changed '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_changes_of_sealed()',
            guarded || '_sealed_move', guarded
        );
        EXECUTE format(
            'CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS changed '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_changes_of_sealed()',
            guarded || '_sealed_delete', guarded
        );
        EXECUTE format(
            'CREATE TRIGGER %I BEFORE TRUNCATE ON %I '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate_of_sealed()',
            guarded || '_sealed_truncate', guarded
        );
    END LOOP;
END
$$;

-- What corrections move may come into an unsealed day only; so may what explains a difference.
CREATE FUNCTION refuse_posting_to_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fiscal_day d
        WHERE (d.site_id, d.fiscal_day) = (NEW.site_id, NEW.posted_to) AND d.sealed_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'the fiscal day % of site % is sealed: nothing is posted to it',
            NEW.posted_to, NEW.site_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER correction_posting_sealed
    BEFORE INSERT ON correction_posting
    FOR EACH ROW EXECUTE FUNCTION refuse_posting_to_sealed();

CREATE TRIGGER correction_posted_sealed
    BEFORE INSERT OR UPDATE ON correction
    FOR EACH ROW WHEN (NEW.posted_to IS NOT NULL)
    EXECUTE FUNCTION refuse_posting_to_sealed();

CREATE FUNCTION refuse_explaining_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fiscal_day d
        WHERE (d.site_id, d.fiscal_day) = (NEW.site_id, NEW.fiscal_day) AND d.sealed_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'the fiscal day % of site % is sealed: its differences stay as they are',
            NEW.fiscal_day, NEW.site_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER explanation_sealed
    BEFORE INSERT ON explanation
    FOR EACH ROW EXECUTE FUNCTION refuse_explaining_sealed();

CREATE TRIGGER explanation_append_only
    BEFORE UPDATE OR DELETE ON explanation
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER explanation_no_truncate
    BEFORE TRUNCATE ON explanation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER day_seal_append_only
    BEFORE UPDATE OR DELETE ON day_seal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER day_seal_no_truncate
    BEFORE TRUNCATE ON day_seal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
