-- How many of the entries that a request asked for are in the ledger by now. Each range is one
-- walk along the key, and it is asked only while the day still lacks something.
SELECT coalesce(sum(held.count), 0)::bigint
FROM command c
CROSS JOIN LATERAL jsonb_array_elements(c.ranges) AS asked
CROSS JOIN LATERAL (
    SELECT count(*)
    FROM entry e
    WHERE e.site_id = c.site_id AND e.fiscal_day = c.fiscal_day
        AND e.sequence BETWEEN (asked ->> 0)::integer AND (asked ->> 1)::integer
) AS held
WHERE c.site_id = %(site_id)s AND c.fiscal_day = %(fiscal_day)s
    AND c.requested_at = %(requested_at)s
