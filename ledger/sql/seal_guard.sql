-- What is sealed stays: the seal itself, the day's own row, what the site declared of it, and what
-- people explained. Corrections are not posted to a sealed day. A site keeps its code once it has
-- fiscal days, since every document of theirs names it.
-- The running totals (day_total and the like) have no trigger: they change with each batch of the
-- ingest worker, which holds the day's row and stays out of sealed days; verify_ledger compares
-- them with the entries.
CREATE FUNCTION refuse_change_of_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'fiscal day % of site % is sealed: % of % is refused',
        OLD.fiscal_day, OLD.site_id, TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER fiscal_day_sealed
    BEFORE UPDATE OR DELETE ON fiscal_day
    FOR EACH ROW WHEN (OLD.sealed_at IS NOT NULL)
    EXECUTE FUNCTION refuse_change_of_sealed();

CREATE FUNCTION refuse_if_day_is_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row_site smallint;
    row_day date;
BEGIN
    IF TG_OP = 'DELETE' THEN
        row_site := OLD.site_id;
    ELSE
        row_site := NEW.site_id;
    END IF;
    IF TG_TABLE_NAME = 'correction_posting' THEN
        row_day := NEW.posted_to;
    ELSIF TG_OP = 'DELETE' THEN
        row_day := OLD.fiscal_day;
    ELSE
        row_day := NEW.fiscal_day;
    END IF;
    IF EXISTS (
        SELECT FROM fiscal_day
        WHERE (site_id, fiscal_day) = (row_site, row_day) AND sealed_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'fiscal day % of site % is sealed: % of % is refused',
            row_day, row_site, TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER declared_total_sealed
    BEFORE INSERT OR UPDATE OR DELETE ON declared_total
    FOR EACH ROW EXECUTE FUNCTION refuse_if_day_is_sealed();
CREATE TRIGGER totalizer_sealed
    BEFORE INSERT OR UPDATE OR DELETE ON totalizer
    FOR EACH ROW EXECUTE FUNCTION refuse_if_day_is_sealed();
CREATE TRIGGER dip_sealed
    BEFORE INSERT OR UPDATE OR DELETE ON dip
    FOR EACH ROW EXECUTE FUNCTION refuse_if_day_is_sealed();
CREATE TRIGGER explanation_sealed
    BEFORE INSERT ON explanation
    FOR EACH ROW EXECUTE FUNCTION refuse_if_day_is_sealed();
CREATE TRIGGER correction_posting_sealed
    BEFORE INSERT ON correction_posting
    FOR EACH ROW EXECUTE FUNCTION refuse_if_day_is_sealed();

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

CREATE FUNCTION refuse_new_code() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fiscal_day WHERE site_id = OLD.id) THEN
        RAISE EXCEPTION 'site % has fiscal days and keeps its code', OLD.code
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER site_code_kept
    BEFORE UPDATE OF code ON site
    FOR EACH ROW WHEN (OLD.code IS DISTINCT FROM NEW.code)
    EXECUTE FUNCTION refuse_new_code();
