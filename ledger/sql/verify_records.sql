-- Rows that are recorded as they are written (row_records.sql) against their newest records: those
-- of a site between two fiscal days, and those that have no day; or, for no site, those of none.
-- `{of_site}` is the condition on the record's site. Returns the table, the key, the fiscal day, what
-- the row is and what its record says; either may be NULL.
WITH held AS (
    SELECT t.tbl AS table_name, rows.key, rows.fiscal_day, rows.content
    FROM row_record_tables() AS t
    CROSS JOIN LATERAL rows_to_record(
        t.tbl, %(site_id)s::smallint, %(first)s::date, %(last)s::date
    ) AS rows
    -- The others have a site, always.
    WHERE %(site_id)s::smallint IS NOT NULL AND t.site <> ''
        OR %(site_id)s::smallint IS NULL AND t.tbl IN ('quarantine', 'quarantine_decision')
),
newest AS (
    SELECT r.table_name, r.key, r.fiscal_day, r.content
    FROM row_record r
    WHERE {of_site}
        AND (r.fiscal_day IS NULL OR r.fiscal_day BETWEEN %(first)s AND %(last)s)
        AND NOT EXISTS (
            SELECT FROM row_record later
            WHERE later.table_name = r.table_name AND later.key = r.key
                AND later.number > r.number
        )
)
SELECT
    table_name, key, coalesce(held.fiscal_day, newest.fiscal_day), held.content::text,
    newest.content::text
FROM held
FULL JOIN newest USING (table_name, key)
WHERE held.content IS DISTINCT FROM newest.content
ORDER BY 3, 1, 2
