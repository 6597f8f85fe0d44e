-- Since when a day's missing numbers are known to be missing. A page says it and ranks by it, so
-- it may not move with each entry that comes. A trigger keeps it, because whoever writes a day's
-- counters or its last sequence learns of a gap (the worker, the site's closing, one by hand, an
-- adoption), and none of them should have to think of it.
--
-- Of all missing numbers the lowest was known first: by the first entry above it that was
-- received, or by the closing. Its time is looked for only when an entry may have filled a gap,
-- which is rare; a day whose gap stays while entries are added at its end pays nothing.
CREATE FUNCTION fiscal_day_gap_since() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    expected integer := greatest(coalesce(NEW.last_sequence, 0), NEW.highest_sequence);
    lowest integer;
BEGIN
    IF expected <= NEW.entry_count THEN
        NEW.gap_since := NULL;
    ELSIF TG_OP = 'INSERT' OR OLD.gap_since IS NULL THEN
        NEW.gap_since := CASE
            WHEN NEW.last_received_at IS NOT NULL AND (
                TG_OP = 'INSERT' OR NEW.entry_count <> OLD.entry_count
            )
            THEN least(NEW.last_received_at, clock_timestamp())
            ELSE clock_timestamp()
        END;
    ELSIF NEW.entry_count - OLD.entry_count <> NEW.highest_sequence - OLD.highest_sequence THEN
        SELECT number INTO lowest
        FROM (
            SELECT e.sequence, row_number() OVER (ORDER BY e.sequence) AS number
            FROM entry e
            WHERE e.site_id = NEW.site_id AND e.fiscal_day = NEW.fiscal_day
        ) AS numbered
        WHERE sequence > number
        ORDER BY number
        LIMIT 1;
        NEW.gap_since := greatest(OLD.gap_since, coalesce(
            (
                SELECT min(e.received_at) FROM entry e
                WHERE e.site_id = NEW.site_id AND e.fiscal_day = NEW.fiscal_day
                    AND e.sequence > lowest
            ),
            least(NEW.closed_at, clock_timestamp())
        ));
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER fiscal_day_gap_since
    BEFORE INSERT OR UPDATE OF entry_count, highest_sequence, last_sequence ON fiscal_day
    FOR EACH ROW EXECUTE FUNCTION fiscal_day_gap_since();
