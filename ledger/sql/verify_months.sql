-- Sums of whole months, which reports of long periods read, against the day totals that they were
-- made of. A month that holds fewer entries than the ledger does by now is summed up anew before
-- anybody reads it, so it is compared with itself alone: each of its three sums counts the entries
-- that it is made of. Returns the month and what does not agree.
WITH summed AS MATERIALIZED (
    SELECT m.month, m.entries, coalesce(d.entries, 0) AS entries_now
    FROM month_sum m
    LEFT JOIN LATERAL (
        SELECT sum(entry_count) AS entries
        FROM fiscal_day
        WHERE site_id = m.site_id AND fiscal_day >= m.month
            AND fiscal_day < m.month + interval '1 month'
    ) AS d ON true
    WHERE m.site_id = %(site_id)s
        AND m.month BETWEEN date_trunc('month', %(first)s::timestamp)::date AND %(last)s
),
fresh AS MATERIALIZED (
    SELECT month FROM summed WHERE entries >= entries_now
),
counted AS (
    SELECT 'products' AS of, month, sum(count) AS entries
    FROM month_total WHERE site_id = %(site_id)s GROUP BY month
    UNION ALL
    SELECT 'payments', month, sum(count)
    FROM month_payment_total WHERE site_id = %(site_id)s GROUP BY month
    UNION ALL
    SELECT 'hours', month, sum(count)
    FROM month_hour_total WHERE site_id = %(site_id)s GROUP BY month
),
-- Hours count turnover alone.
turnover AS (
    SELECT month, sum(count) AS entries
    FROM month_total
    WHERE site_id = %(site_id)s AND kind = ANY (%(turnover_kinds)s)
    GROUP BY month
)
SELECT month, format('the month sums up %%s entries, there are %%s', entries, entries_now)
FROM summed
WHERE entries > entries_now
UNION ALL
SELECT
    month,
    format('the month sums up %%s entries, its sums of %%s %%s', coalesce(wanted.entries, 0), of,
        coalesce(counted.entries, 0))
FROM (
    SELECT 'products' AS of, month, entries, entries < entries_now AS is_stale FROM summed
    UNION ALL
    SELECT 'payments', month, entries, entries < entries_now FROM summed
    UNION ALL
    SELECT 'hours', month, coalesce(turnover.entries, 0), summed.entries < entries_now
    FROM summed LEFT JOIN turnover USING (month)
) AS wanted
FULL JOIN counted USING (of, month)
WHERE month BETWEEN date_trunc('month', %(first)s::timestamp)::date AND %(last)s
    AND coalesce(wanted.is_stale, true)
    AND coalesce(wanted.entries, 0) <> coalesce(counted.entries, 0)
UNION ALL
SELECT month, format('the month''s sum of %%s, kind %%s, is not that of its days', product, kind)
FROM (
    SELECT
        f.month, product, kind, tax_rate, sum(count) AS count, sum(volume) AS volume,
        sum(amount) AS amount, sum(tax) AS tax
    FROM fresh f
    JOIN day_total d ON d.site_id = %(site_id)s
        AND d.fiscal_day >= f.month AND d.fiscal_day < f.month + interval '1 month'
    GROUP BY 1, 2, 3, 4
) AS days
FULL JOIN (
    SELECT t.* FROM month_total t JOIN fresh USING (month) WHERE t.site_id = %(site_id)s
) AS held USING (month, product, kind, tax_rate)
WHERE (days.count, days.volume, days.amount, days.tax)
    IS DISTINCT FROM (held.count, held.volume, held.amount, held.tax)
UNION ALL
SELECT
    month, format('the month''s sum of payment %%s, kind %%s, is not that of its days', payment, kind)
FROM (
    SELECT
        f.month, payment, kind, sum(count) AS count, sum(volume) AS volume, sum(amount) AS amount
    FROM fresh f
    JOIN payment_total d ON d.site_id = %(site_id)s
        AND d.fiscal_day >= f.month AND d.fiscal_day < f.month + interval '1 month'
    GROUP BY 1, 2, 3
) AS days
FULL JOIN (
    SELECT t.* FROM month_payment_total t JOIN fresh USING (month) WHERE t.site_id = %(site_id)s
) AS held USING (month, payment, kind)
WHERE (days.count, days.volume, days.amount)
    IS DISTINCT FROM (held.count, held.volume, held.amount)
UNION ALL
SELECT month, format('the month''s sum of hour %%s is not that of its days', hour)
FROM (
    SELECT f.month, hour, sum(count) AS count, sum(volume) AS volume, sum(amount) AS amount
    FROM fresh f
    JOIN hour_total d ON d.site_id = %(site_id)s
        AND d.fiscal_day >= f.month AND d.fiscal_day < f.month + interval '1 month'
    GROUP BY 1, 2
) AS days
FULL JOIN (
    SELECT t.* FROM month_hour_total t JOIN fresh USING (month) WHERE t.site_id = %(site_id)s
) AS held USING (month, hour)
WHERE (days.count, days.volume, days.amount)
    IS DISTINCT FROM (held.count, held.volume, held.amount)
ORDER BY 1, 2
