-- The first fiscal day of sites that a ledger has already: 400 days before they were registered, or
-- earlier where the ledger holds an older history, as after a replay or an adoption. Days that lie
-- more than 400 days apart belong to two histories, of which a broken clock wrote the lesser one:
-- credible are the history with most entries, and what was sealed, from 1990 on and not in the future.
WITH day AS (
    SELECT site_id, fiscal_day, entry_count, sealed_at,
        coalesce(fiscal_day - lag(fiscal_day) OVER (PARTITION BY site_id ORDER BY fiscal_day) > 400, true)
            AS begins
    FROM fiscal_day
    WHERE fiscal_day BETWEEN date '1990-01-02' AND current_date + 2
), numbered AS (
    SELECT day.*, count(*) FILTER (WHERE begins) OVER (PARTITION BY site_id ORDER BY fiscal_day) AS history
    FROM day
), history AS (
    SELECT site_id, min(fiscal_day) AS first_day, min(fiscal_day) FILTER (WHERE sealed_at IS NOT NULL) AS first_sealed,
        row_number() OVER (PARTITION BY site_id ORDER BY sum(entry_count) DESC, min(fiscal_day) DESC) AS rank
    FROM numbered
    GROUP BY site_id, history
), credible AS (
    SELECT site_id, least(min(first_day) FILTER (WHERE rank = 1), min(first_sealed)) AS first_day
    FROM history
    GROUP BY site_id
)
UPDATE site SET first_fiscal_day = least(registered.first_day, credible.first_day)
FROM (SELECT id, (timezone(timezone, created_at))::date - 400 AS first_day FROM site) AS registered
LEFT JOIN credible ON credible.site_id = registered.id
WHERE site.id = registered.id
