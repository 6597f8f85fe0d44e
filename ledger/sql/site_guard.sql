-- What every figure of a site is written in stays as it is once it has fiscal days, whoever asks:
-- its code and its currency are under each seal, and its hours go by its clock.
CREATE FUNCTION site_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fiscal_day WHERE site_id = OLD.id) THEN
        RAISE EXCEPTION 'site % has fiscal days: its code, currency and time zone stay', OLD.code
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER site_kept
    BEFORE UPDATE ON site
    FOR EACH ROW WHEN (
        (OLD.code, OLD.currency, OLD.timezone)
            IS DISTINCT FROM (NEW.code, NEW.currency, NEW.timezone)
    )
    EXECUTE FUNCTION site_refuse_change();
