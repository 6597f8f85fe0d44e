-- Days that were sealed before seals took deliveries: theirs are those that were known by then.
-- Their documents (version 1) do not speak of deliveries, but their reports do, and now stay.
UPDATE delivery v SET fiscal_day = span.fiscal_day
FROM (
    SELECT
        site_id, fiscal_day, sealed_at, opened_at,
        least(
            closed_at,
            lead(opened_at) OVER (PARTITION BY site_id ORDER BY opened_at, fiscal_day)
        ) AS until
    FROM fiscal_day
    WHERE opened_at IS NOT NULL
) AS span
WHERE span.site_id = v.site_id AND span.sealed_at IS NOT NULL AND v.received_at <= span.sealed_at
    AND v.at >= span.opened_at AND v.at < span.until
