-- Months of the entry table, made ahead of time by the worker and on demand for a late or an
-- early fiscal day. ATTACH takes a weaker lock on entry than CREATE ... PARTITION OF, so readers
-- and other writers go on; the advisory lock keeps two workers from making the same month.
CREATE FUNCTION entry_partition_ensure(wanted date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    month_start date := date_trunc('month', wanted);
    month_end date := month_start + interval '1 month';
    partition_name text := 'entry_' || to_char(month_start, 'YYYY_MM');
BEGIN
    -- Years nobody trades in go to entry_default: a limit on how many tables a bad clock can make.
    IF month_start < date '2000-01-01' OR month_start > current_date + interval '24 months' THEN
        RETURN false;
    END IF;
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('entry_partition_ensure'));
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- A month whose first entries came before it was within range stays where it is.
    IF EXISTS (SELECT FROM entry_default WHERE fiscal_day >= month_start AND fiscal_day < month_end) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
    EXECUTE format(
        'ALTER TABLE entry ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name, month_start, month_end
    );
    EXECUTE format(
        'CREATE TRIGGER entry_no_truncate BEFORE TRUNCATE ON %I '
        'FOR EACH STATEMENT EXECUTE FUNCTION entry_refuse_change()',
        partition_name
    );
    RETURN true;
END
$$;

CREATE FUNCTION entry_partitions_ahead(months integer) RETURNS integer LANGUAGE sql AS $$
    SELECT count(*) FILTER (WHERE entry_partition_ensure(month::date))::integer
    FROM generate_series(current_date, current_date + make_interval(months => months), '1 month') AS month
$$;

SELECT entry_partitions_ahead(3);
