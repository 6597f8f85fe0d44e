-- Sums of whole months, which reports of long periods read, against the day totals that they were
-- made of. A month that holds another number of entries by now is summed up anew before anybody
-- reads it, so it is left out. Returns the month and what does not agree.
WITH fresh AS MATERIALIZED (
    SELECT m.month
    FROM month_sum m
    WHERE m.site_id = %(site_id)s
        AND m.month BETWEEN date_trunc('month', %(first)s::timestamp)::date AND %(last)s
        AND m.entries = (
            SELECT sum(d.entry_count)
            FROM fiscal_day d
            WHERE d.site_id = m.site_id AND d.fiscal_day >= m.month
                AND d.fiscal_day < m.month + interval '1 month'
        )
)
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
