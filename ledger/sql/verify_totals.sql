-- Running totals against the entries of a site's days, in one walk over the entries: they are
-- grouped as finely as any total is, and each table is compared with what that adds up to.
-- `{site_hour}` stands for site_hour.sql. Returns the fiscal day and what does not agree.
WITH fine AS MATERIALIZED (
    SELECT
        fiscal_day, product, kind, tax_rate, payment,
        {site_hour} AS hour,
        count(*)::integer AS count,
        coalesce(sum(volume), 0) AS volume,
        sum(amount) AS amount,
        coalesce(sum(round(amount * tax_rate / (100 + tax_rate), 2)), 0) AS tax,
        max(sequence) AS highest
    FROM entry
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
    GROUP BY fiscal_day, product, kind, tax_rate, payment, 6
),
totals AS (
    SELECT
        fiscal_day, product, kind, coalesce(tax_rate, -1) AS tax_rate, sum(count) AS count,
        sum(volume) AS volume, sum(amount) AS amount, sum(tax) AS tax
    FROM fine
    GROUP BY 1, 2, 3, 4
),
payments AS (
    SELECT
        fiscal_day, coalesce(payment, 0) AS payment, kind, sum(count) AS count,
        sum(volume) AS volume, sum(amount) AS amount
    FROM fine
    GROUP BY 1, 2, 3
),
hours AS (
    SELECT
        fiscal_day, hour, sum(count) AS count, sum(volume) AS volume, sum(amount) AS amount
    FROM fine
    WHERE kind = ANY (%(turnover_kinds)s)
    GROUP BY 1, 2
),
counts AS (
    SELECT fiscal_day, sum(count) AS count, max(highest) AS highest FROM fine GROUP BY 1
)
SELECT fiscal_day, format('the total of %%s, kind %%s, is not that of its entries', product, kind)
FROM totals
FULL JOIN (
    SELECT * FROM day_total
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
) held USING (fiscal_day, product, kind, tax_rate)
WHERE (totals.count, totals.volume, totals.amount, totals.tax)
    IS DISTINCT FROM (held.count, held.volume, held.amount, held.tax)
UNION ALL
SELECT fiscal_day, format('the total of payment %%s, kind %%s, is not that of its entries', payment, kind)
FROM payments
FULL JOIN (
    SELECT * FROM payment_total
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
) held USING (fiscal_day, payment, kind)
WHERE (payments.count, payments.volume, payments.amount)
    IS DISTINCT FROM (held.count, held.volume, held.amount)
UNION ALL
SELECT fiscal_day, format('the total of hour %%s is not that of its entries', hour)
FROM hours
FULL JOIN (
    SELECT * FROM hour_total
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
) held USING (fiscal_day, hour)
WHERE (hours.count, hours.volume, hours.amount)
    IS DISTINCT FROM (held.count, held.volume, held.amount)
UNION ALL
SELECT
    fiscal_day,
    format('the day counts %%s entries up to %%s, there are %%s up to %%s',
        held.entry_count, held.highest_sequence, coalesce(counts.count, 0),
        coalesce(counts.highest, 0))
FROM counts
FULL JOIN (
    SELECT * FROM fiscal_day
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
) held USING (fiscal_day)
WHERE (coalesce(counts.count, 0), coalesce(counts.highest, 0))
    IS DISTINCT FROM (held.entry_count, held.highest_sequence)
ORDER BY 1, 2
