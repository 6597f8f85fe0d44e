-- The deliveries that count for a site's fiscal days, once for all statements that read them: the
-- seal, the reports and the wet stock have to speak of the same ones. A sealed day has those that
-- its seal took. Any other has those of its time that no seal took: from its opening until it was
-- closed, or until the next day was opened, for a day that somebody closes by hand days later was
-- not open for days. Each delivery counts for one day at most. One whose time lies in the future at
-- its receipt came when it was heard of: else a clock that is ahead takes it out of every day.
SELECT v.fiscal_day, v.tank, v.at, v.product, v.volume, v.volume_15c, v.document, v.received_at
FROM delivery v
WHERE v.site_id = %(site_id)s AND v.fiscal_day BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT
    span.fiscal_day, v.tank, v.at, v.product, v.volume, v.volume_15c, v.document, v.received_at
FROM (
    SELECT
        fiscal_day, sealed_at, opened_at,
        least(
            closed_at, lead(opened_at) OVER (ORDER BY opened_at, fiscal_day), 'infinity'
        ) AS until
    FROM fiscal_day
    JOIN site ON site.id = site_id
    WHERE site_id = %(site_id)s AND opened_at IS NOT NULL
        -- A day that cannot be ends no other.
        AND fiscal_day BETWEEN site.first_fiscal_day AND {last_plausible_day}
) AS span
JOIN delivery v
    ON v.site_id = %(site_id)s AND v.fiscal_day IS NULL
    AND least(v.at, v.received_at) >= span.opened_at AND least(v.at, v.received_at) < span.until
WHERE span.sealed_at IS NULL AND span.fiscal_day BETWEEN %(first)s AND %(last)s
