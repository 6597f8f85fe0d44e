-- Which sequence numbers of a fiscal day have no entry, as inclusive ranges. Reads the day's part
-- of the key's index once, so it is asked only where the counts say that something is missing.
-- The number after the last expected one closes the list, so that a gap at the end shows too.
SELECT previous + 1 AS first, sequence - 1 AS last
FROM (
    SELECT sequence, lag(sequence, 1, 0) OVER (ORDER BY sequence) AS previous
    FROM (
        SELECT sequence
        FROM entry
        WHERE site_id = %(site_id)s AND fiscal_day = %(fiscal_day)s
            AND sequence <= %(expected_count)s
        UNION ALL
        SELECT %(expected_count)s::bigint + 1
    ) AS held
) AS neighbours
WHERE sequence - previous > 1
ORDER BY first
LIMIT %(ranges_max)s
