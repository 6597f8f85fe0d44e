-- A delivery stays as the site told it, whoever asks: a Z report and the wet stock of a sealed day
-- are made of it. The seal of its day writes that day into it, once, before the day is sealed; a
-- row that comes with a day, or one that is given a sealed one, would be counted unseen.
CREATE FUNCTION delivery_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        RAISE EXCEPTION 'a delivery comes without a fiscal day: its seal takes it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.fiscal_day IS NOT NULL OR NEW.fiscal_day IS NULL
        OR to_jsonb(OLD) - 'fiscal_day' IS DISTINCT FROM to_jsonb(NEW) - 'fiscal_day'
    THEN
        RAISE EXCEPTION 'delivery is append-only: UPDATE is refused'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (
        SELECT FROM fiscal_day d
        WHERE (d.site_id, d.fiscal_day) = (NEW.site_id, NEW.fiscal_day) AND d.sealed_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'the fiscal day % of site % is sealed: it takes no delivery',
            NEW.fiscal_day, NEW.site_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER delivery_comes_unsealed
    BEFORE INSERT ON delivery
    FOR EACH ROW WHEN (NEW.fiscal_day IS NOT NULL)
    EXECUTE FUNCTION delivery_refuse_change();

CREATE TRIGGER delivery_sealed_once
    BEFORE UPDATE ON delivery
    FOR EACH ROW EXECUTE FUNCTION delivery_refuse_change();

CREATE TRIGGER delivery_append_only
    BEFORE DELETE ON delivery
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER delivery_no_truncate
    BEFORE TRUNCATE ON delivery
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
