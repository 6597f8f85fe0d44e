-- Sums the day totals of whole months up, so that a report of a year reads twelve rows where there
-- are three hundred. A sum stands beside the number of entries that it is made of: entries only ever
-- come in, so it is right as long as the ledger holds that many of its site's month. Whoever
-- reads them for a report sees whether that is so, and what has changed since (a late entry) is summed
-- up anew; one statement, so that a month's three sums and the number are of one moment.
WITH stale AS MATERIALIZED (
    SELECT site_id, month
    FROM unnest(%(site_ids)s::smallint[], %(months)s::date[]) AS asked (site_id, month)
),
-- Nothing of it is deleted: what was once sold can only grow, so each key there was is there again.
products AS (
    INSERT INTO month_total (
        site_id, month, product, kind, tax_rate, count, volume, amount, tax
    )
    SELECT day.site_id, stale.month, product, kind, tax_rate, sum(count), sum(volume), sum(amount),
        sum(tax)
    FROM day_total AS day
    JOIN stale ON stale.site_id = day.site_id
        AND stale.month = date_trunc('month', day.fiscal_day)::date
    WHERE day.fiscal_day >= %(first)s AND day.fiscal_day < %(until)s
    GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (site_id, month, product, kind, tax_rate) DO UPDATE SET
        count = excluded.count, volume = excluded.volume, amount = excluded.amount,
        tax = excluded.tax
),
payments AS (
    INSERT INTO month_payment_total (site_id, month, payment, kind, count, volume, amount)
    SELECT day.site_id, stale.month, payment, kind, sum(count), sum(volume), sum(amount)
    FROM payment_total AS day
    JOIN stale ON stale.site_id = day.site_id
        AND stale.month = date_trunc('month', day.fiscal_day)::date
    WHERE day.fiscal_day >= %(first)s AND day.fiscal_day < %(until)s
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (site_id, month, payment, kind) DO UPDATE SET
        count = excluded.count, volume = excluded.volume, amount = excluded.amount
),
hours AS (
    INSERT INTO month_hour_total (site_id, month, hour, count, volume, amount)
    SELECT day.site_id, stale.month, hour, sum(count), sum(volume), sum(amount)
    FROM hour_total AS day
    JOIN stale ON stale.site_id = day.site_id
        AND stale.month = date_trunc('month', day.fiscal_day)::date
    WHERE day.fiscal_day >= %(first)s AND day.fiscal_day < %(until)s
    GROUP BY 1, 2, 3
    ON CONFLICT (site_id, month, hour) DO UPDATE SET
        count = excluded.count, volume = excluded.volume, amount = excluded.amount
)
INSERT INTO month_sum (site_id, month, entries)
SELECT day.site_id, stale.month, sum(entry_count)
FROM fiscal_day AS day
JOIN stale ON stale.site_id = day.site_id
    AND stale.month = date_trunc('month', day.fiscal_day)::date
WHERE day.fiscal_day >= %(first)s AND day.fiscal_day < %(until)s
GROUP BY 1, 2
ON CONFLICT (site_id, month) DO UPDATE SET entries = excluded.entries
