-- Deliveries from the opening of a fiscal day to the opening of the next that count for no day: the
-- site told of them after the day was sealed, or the tanker came while no day was open. No report
-- has them, so a page has to name them. Their times count as in day_deliveries.sql.
SELECT v.tank, v.at, v.product, v.volume, v.volume_15c, v.document, v.received_at
FROM (
    SELECT
        fiscal_day, sealed_at, opened_at, closed_at,
        coalesce(lead(opened_at) OVER (ORDER BY opened_at, fiscal_day), 'infinity') AS next_opened_at
    FROM fiscal_day
    JOIN site ON site.id = site_id
    WHERE site_id = %(site_id)s AND opened_at IS NOT NULL
        -- A day that cannot be ends no other.
        AND fiscal_day BETWEEN site.first_fiscal_day AND {last_plausible_day}
) AS span
JOIN delivery v
    ON v.site_id = %(site_id)s AND v.fiscal_day IS NULL
    AND least(v.at, v.received_at) >= span.opened_at
    AND least(v.at, v.received_at) < span.next_opened_at
WHERE span.fiscal_day = %(fiscal_day)s
    AND (span.sealed_at IS NOT NULL OR least(v.at, v.received_at) >= span.closed_at)
ORDER BY v.at, v.tank
