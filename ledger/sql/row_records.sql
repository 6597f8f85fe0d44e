-- What the rows of guarded tables are, recorded as they are written. A superuser who switches the
-- guards off and then changes, removes or adds a row leaves it unlike its newest record, and
-- verify_ledger names it. It is for what no sum and no seal speaks of: what was quarantined and
-- decided, how a site is set up, proposals that never took effect, days before they are sealed.
-- Entries and running totals have no records: they are added up, and sealed.
--
-- The records of a row are a chain: the digest of each covers the one before.

-- The tables whose rows are recorded, the columns that say which site's and which fiscal day's a
-- row is ('' where none does), and those of its key. Where many rows are written at once they are
-- one record of their site, or of its day (`is_grouped`): an object by their keys.
CREATE FUNCTION row_record_tables()
RETURNS TABLE (tbl text, site text, day text, key text[], is_grouped boolean)
LANGUAGE sql IMMUTABLE AS $$
    VALUES
        ('site', 'id', '', '{id}'::text[], false),
        ('product', 'site_id', '', '{code}', true),
        ('tank', 'site_id', '', '{number}', true),
        ('fuelling_point', 'site_id', '', '{number}', true),
        ('nozzle', 'site_id', '', '{fuelling_point,number}', true),
        ('fiscal_day', 'site_id', 'fiscal_day', '{site_id,fiscal_day}', false),
        ('day_seal', 'site_id', 'fiscal_day', '{site_id,fiscal_day}', false),
        ('declared_total', 'site_id', 'fiscal_day', '{product}', true),
        ('totalizer', 'site_id', 'fiscal_day', '{fuelling_point,nozzle}', true),
        ('dip', 'site_id', 'fiscal_day', '{tank}', true),
        ('explanation', 'site_id', 'fiscal_day', '{site_id,fiscal_day,number}', false),
        ('correction', 'site_id', 'fiscal_day', '{site_id,fiscal_day,sequence,revision}', false),
        ('delivery', 'site_id', '', '{site_id,tank,at}', false),
        ('alarm_acknowledgement', 'site_id', '', '{site_id,device,number,code,at}', false),
        ('quarantine', 'site_id', '', '{id}', false),
        ('quarantine_decision', '', '', '{quarantine_id,number}', false)
$$;

-- The columns that are not recorded: what is counted on with every batch, and today's prices.
CREATE FUNCTION row_uncounted(tbl text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE tbl
        WHEN 'fiscal_day' THEN
            '{entry_count,highest_sequence,last_entry_at,last_received_at,gap_since}'::text[]
        WHEN 'quarantine' THEN '{seen,last_received_at}'
        WHEN 'product' THEN '{unit_price}'
        ELSE '{}'
    END
$$;

CREATE FUNCTION row_digests(stored jsonb, columns text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(name, encode(sha256(convert_to(stored ->> name, 'UTF8')), 'hex'))
    FROM unnest(columns) AS name
$$;

-- A row as it is recorded, with a digest in place of what may be long. A column that is added later
-- comes in by itself.
CREATE FUNCTION row_content(tbl text, stored jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT (stored - row_uncounted(tbl)) || CASE tbl
        WHEN 'quarantine' THEN row_digests(stored, '{raw}')
        WHEN 'quarantine_decision' THEN row_digests(stored, '{payload}')
        WHEN 'day_seal' THEN row_digests(stored, '{document,entry_marks}')
        ELSE '{}'::jsonb
    END
$$;

CREATE FUNCTION row_key(stored jsonb, columns text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_agg(stored -> name ORDER BY place)::text
    FROM unnest(columns) WITH ORDINALITY AS named (name, place)
$$;

-- The rows of a table as they would be recorded now: those of a site between two fiscal days, or
-- those of no site. Times are written in UTC and
-- bytes in hexadecimal, whatever the session has.
CREATE FUNCTION rows_to_record(guarded text, of_site smallint, first date, last date)
RETURNS TABLE (key text, site_id smallint, fiscal_day date, content jsonb)
LANGUAGE plpgsql STABLE SET timezone TO 'UTC' SET bytea_output TO 'hex' AS $$
DECLARE
    t record;
    of_rows text;
BEGIN
    SELECT * INTO STRICT t FROM row_record_tables() tables WHERE tables.tbl = guarded;
    of_rows := format(
        'FROM %I t WHERE %s AND %s',
        t.tbl,
        CASE
            WHEN t.site = '' THEN '$1 IS NULL'
            WHEN of_site IS NULL THEN format('t.%I IS NULL', t.site)
            ELSE format('t.%I = $1', t.site)
        END,
        CASE t.day WHEN '' THEN 'true' ELSE format('t.%I BETWEEN $2 AND $3', t.day) END
    );
    IF t.is_grouped THEN
        RETURN QUERY EXECUTE format(
            'SELECT jsonb_build_array(%s)::text, t.site_id, %s, '
            'jsonb_object_agg(row_key(to_jsonb(t), %L), row_content(%L, to_jsonb(t))) '
            '%s GROUP BY t.site_id, 3',
            CASE t.day WHEN '' THEN 't.site_id' ELSE 't.site_id, t.fiscal_day' END,
            CASE t.day WHEN '' THEN 'NULL::date' ELSE 't.fiscal_day' END,
            t.key, t.tbl, of_rows
        ) USING of_site, first, last;
    ELSE
        RETURN QUERY EXECUTE format(
            'SELECT row_key(stored, %L), $1, (stored ->> %L)::date, row_content(%L, stored) '
            'FROM (SELECT to_jsonb(t) AS stored %s) AS held',
            t.key, t.day, t.tbl, of_rows
        ) USING of_site, first, last;
    END IF;
END
$$;

-- The digest of a record, given that of the one before.
CREATE FUNCTION row_record_digest(before bytea, record row_record) RETURNS bytea
LANGUAGE sql STABLE SET timezone TO 'UTC' AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        encode(before, 'hex'), record.table_name, record.key, record.number, record.site_id,
        record.fiscal_day, record.recorded_at, record.content
    )::text, 'UTF8'))
$$;

-- Records a row, or that it is gone, unless its newest record says so. Whoever writes a row holds
-- its lock, or that of its site or day: two records of one row are never written at once.
CREATE FUNCTION row_record_write(tbl text, of_key text, site smallint, day date, content jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    newest row_record;
    next row_record;
BEGIN
    -- Triggers name their table in the collation "C", in which no index could be used.
    SELECT * INTO newest
    FROM row_record r
    WHERE r.table_name = tbl COLLATE "default" AND r.key = of_key COLLATE "default"
    ORDER BY r.number DESC
    LIMIT 1;
    IF newest.content IS NOT DISTINCT FROM content THEN
        RETURN;
    END IF;
    next.table_name := tbl;
    next.key := of_key;
    next.number := coalesce(newest.number, 0) + 1;
    next.site_id := site;
    next.fiscal_day := day;
    next.recorded_at := clock_timestamp();
    next.content := content;
    next.digest := row_record_digest(newest.digest, next);
    INSERT INTO row_record (
        table_name, key, number, site_id, fiscal_day, recorded_at, content, digest
    ) VALUES (
        next.table_name, next.key, next.number, next.site_id, next.fiscal_day, next.recorded_at,
        next.content, next.digest
    );
END
$$;

-- Takes the columns of the site, of the fiscal day and of the key.
CREATE FUNCTION record_row() RETURNS trigger
LANGUAGE plpgsql SET timezone TO 'UTC' SET bytea_output TO 'hex' AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb := to_jsonb(NEW);
    columns text[] := TG_ARGV[2];
BEGIN
    IF TG_OP = 'DELETE'
        OR TG_OP = 'UPDATE' AND row_key(before, columns) <> row_key(after, columns)
    THEN
        PERFORM row_record_write(
            TG_TABLE_NAME, row_key(before, columns), (before ->> TG_ARGV[0])::smallint,
            (before ->> TG_ARGV[1])::date, NULL
        );
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM row_record_write(
            TG_TABLE_NAME, row_key(after, columns), (after ->> TG_ARGV[0])::smallint,
            (after ->> TG_ARGV[1])::date, row_content(TG_TABLE_NAME, after)
        );
    END IF;
    RETURN NULL;
END
$$;

-- Takes the column of the fiscal day, '' where the rows of a site are one record.
CREATE FUNCTION record_group() RETURNS trigger
LANGUAGE plpgsql SET timezone TO 'UTC' SET bytea_output TO 'hex' AS $$
DECLARE
    columns text := CASE TG_ARGV[0] WHEN '' THEN 'site_id' ELSE 'site_id, fiscal_day' END;
    touched jsonb;
    of_site smallint;
    day date;
BEGIN
    FOR touched IN EXECUTE format(
        CASE TG_OP
            WHEN 'UPDATE' THEN
                'SELECT jsonb_build_array(%1$s) FROM changed '
                'UNION SELECT jsonb_build_array(%1$s) FROM before ORDER BY 1'
            ELSE 'SELECT DISTINCT jsonb_build_array(%1$s) FROM changed ORDER BY 1'
        END,
        columns
    ) LOOP
        of_site := touched ->> 0;
        day := touched ->> 1;
        PERFORM row_record_write(TG_TABLE_NAME, touched::text, of_site, day, (
            SELECT content FROM rows_to_record(TG_TABLE_NAME, of_site, day, day)
        ));
    END LOOP;
    RETURN NULL;
END
$$;

-- Records all rows that were not recorded as they are: those from before there were records, and
-- what a migration rewrote.
CREATE FUNCTION row_records_begin() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM row_record_write(t.tbl, held.key, held.site_id, held.fiscal_day, held.content)
    FROM (SELECT id FROM site UNION ALL SELECT NULL) AS sites (id)
    CROSS JOIN row_record_tables() AS t
    CROSS JOIN LATERAL rows_to_record(t.tbl, sites.id, '-infinity', 'infinity') AS held;
END
$$;

SELECT row_records_begin();

CREATE TRIGGER row_record_append_only
    BEFORE UPDATE OR DELETE ON row_record
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER row_record_no_truncate
    BEFORE TRUNCATE ON row_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    t record;
    columns text;
BEGIN
    FOR t IN SELECT * FROM row_record_tables() LOOP
        IF t.is_grouped THEN
            EXECUTE format(
                'CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS changed '
                'FOR EACH STATEMENT EXECUTE FUNCTION record_group(%L)',
                t.tbl || '_recorded_insert', t.tbl, t.day
            );
            EXECUTE format(
                'CREATE TRIGGER %I AFTER UPDATE ON %I '
                'REFERENCING OLD TABLE AS before NEW TABLE AS changed '
                'FOR EACH STATEMENT EXECUTE FUNCTION record_group(%L)',
                t.tbl || '_recorded_update', t.tbl, t.day
            );
            EXECUTE format(
                'CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS changed '
                'FOR EACH STATEMENT EXECUTE FUNCTION record_group(%L)',
                t.tbl || '_recorded_delete', t.tbl, t.day
            );
            CONTINUE;
        END IF;
        -- Workers count in a day with every batch: that does not even call the trigger.
        SELECT string_agg(quote_ident(attname), ', ') INTO columns
        FROM pg_attribute
        WHERE attrelid = t.tbl::regclass AND attnum > 0 AND NOT attisdropped
            AND attname <> ALL (row_uncounted(t.tbl));
        EXECUTE format(
            'CREATE TRIGGER %I AFTER INSERT OR DELETE %s ON %I '
            'FOR EACH ROW EXECUTE FUNCTION record_row(%L, %L, %L)',
            t.tbl || '_recorded',
            CASE row_uncounted(t.tbl) WHEN '{}' THEN 'OR UPDATE' ELSE 'OR UPDATE OF ' || columns END,
            t.tbl, t.site, t.day, t.key
        );
    END LOOP;
END
$$;
