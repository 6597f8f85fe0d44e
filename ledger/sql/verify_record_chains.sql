-- Records that do not follow from the one before, of the same key: it is gone, or one of the two is
-- not as it was written. `{of_site}` is the condition on the record's site.
SELECT r.table_name, r.key, r.fiscal_day, r.number
FROM row_record r
LEFT JOIN row_record before
    ON before.table_name = r.table_name AND before.key = r.key AND before.number = r.number - 1
WHERE {of_site}
    AND (r.fiscal_day IS NULL OR r.fiscal_day BETWEEN %(first)s AND %(last)s)
    AND (
        r.number < 1
        OR (r.number > 1) <> (before.number IS NOT NULL)
        OR r.digest IS DISTINCT FROM row_record_digest(before.digest, r)
    )
ORDER BY 3, 1, 2, 4
