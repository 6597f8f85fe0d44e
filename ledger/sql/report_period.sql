-- Everything that a report of a period says of some sites' turnover, in one statement and so of one
-- moment: the products of a report add up to its payments and its hours however much is coming in.
-- Each row names its part; totals are the raw ones and what corrections posted to the period move.
-- Sites and times tell apart what stated no tax rate (-1) and what did (null), because the tax of the
-- former is unknown; products and postings have each rate.
-- `months` were summed up ahead (month_totals.sql): their days are left out of the day totals here,
-- and the part "outdated" says whether the ledger holds other entries of them by now.
--
-- Each part adds its tables up by itself, to a few rows, because only so does PostgreSQL read them
-- with several processes at once: that is faster than adding them up once, site by site and rate by
-- rate, for all parts.
WITH days AS MATERIALIZED (
    SELECT site_id, CASE
            WHEN fiscal_day BETWEEN %(first_month)s AND %(last_month)s
            THEN date_trunc('month', fiscal_day)::date
        END AS month,
        count(*) AS days, sum(entry_count) AS entries, sum(
            greatest(coalesce(last_sequence, 0), highest_sequence) - entry_count
        ) AS missing
    FROM fiscal_day
    WHERE fiscal_day BETWEEN %(first)s AND %(last)s AND entry_count > 0
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2
),
posted AS MATERIALIZED (
    SELECT *
    FROM correction_posting
    WHERE posted_to BETWEEN %(first)s AND %(last)s
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
),
by_site AS (
    SELECT site_id, kind, CASE WHEN tax_rate = -1 THEN tax_rate END AS tax_rate,
        sum(count) AS count, sum(volume) AS volume, sum(amount) AS amount, sum(tax) AS tax
    FROM day_total
    WHERE (fiscal_day BETWEEN %(first)s AND %(head)s OR fiscal_day BETWEEN %(tail)s AND %(last)s)
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT site_id, kind, CASE WHEN tax_rate = -1 THEN tax_rate END, sum(count), sum(volume),
        sum(amount), sum(tax)
    FROM month_total
    WHERE month BETWEEN %(first_month)s AND %(last_month)s
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT site_id, kind, CASE WHEN tax_rate IS NULL THEN -1 END, count, volume, amount, tax
    FROM posted
),
products AS (
    SELECT currency, product, kind, tax_rate, sum(count) AS count, sum(volume) AS volume,
        sum(amount) AS amount, sum(tax) AS tax
    FROM day_total JOIN site ON site.id = site_id
    WHERE (fiscal_day BETWEEN %(first)s AND %(head)s OR fiscal_day BETWEEN %(tail)s AND %(last)s)
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT currency, product, kind, tax_rate, sum(count), sum(volume), sum(amount), sum(tax)
    FROM month_total JOIN site ON site.id = site_id
    WHERE month BETWEEN %(first_month)s AND %(last_month)s
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT currency, product, kind, coalesce(tax_rate, -1), count, volume, amount, tax
    FROM posted JOIN site ON site.id = site_id
),
payments AS (
    SELECT currency, payment, kind, sum(count) AS count, sum(volume) AS volume, sum(amount) AS amount
    FROM payment_total JOIN site ON site.id = site_id
    WHERE (fiscal_day BETWEEN %(first)s AND %(head)s OR fiscal_day BETWEEN %(tail)s AND %(last)s)
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT currency, payment, kind, sum(count), sum(volume), sum(amount)
    FROM month_payment_total JOIN site ON site.id = site_id
    WHERE month BETWEEN %(first_month)s AND %(last_month)s
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT currency, coalesce(payment, 0), kind, count, volume, amount
    FROM posted JOIN site ON site.id = site_id
),
hours AS (
    SELECT currency, hour, sum(count) AS count, sum(volume) AS volume, sum(amount) AS amount
    FROM hour_total JOIN site ON site.id = site_id
    WHERE (fiscal_day BETWEEN %(first)s AND %(head)s OR fiscal_day BETWEEN %(tail)s AND %(last)s)
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2
    UNION ALL
    SELECT currency, hour, sum(count), sum(volume), sum(amount)
    FROM month_hour_total JOIN site ON site.id = site_id
    WHERE month BETWEEN %(first_month)s AND %(last_month)s
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2
    UNION ALL
    SELECT currency, hour, count, volume, amount
    FROM posted JOIN site ON site.id = site_id
    WHERE kind IN (1, 2)
)
SELECT 'site' AS part, currency, id AS site_id, NULL::date AS day, NULL::varchar AS product,
    NULL::smallint AS kind, NULL::numeric AS tax_rate, NULL::smallint AS number,
    coalesce(days.entries, 0)::bigint AS count, NULL::numeric AS volume, NULL::numeric AS amount,
    NULL::numeric AS tax, coalesce(days.days, 0) AS days, coalesce(days.missing, 0)::bigint AS missing
FROM site
LEFT JOIN (
    SELECT site_id, sum(days)::bigint AS days, sum(entries) AS entries, sum(missing) AS missing
    FROM days
    GROUP BY site_id
) AS days ON days.site_id = site.id
WHERE %(site_ids)s::smallint[] IS NULL OR site.id = ANY(%(site_ids)s::smallint[])
UNION ALL
SELECT 'outdated', '', NULL, NULL, NULL, NULL, NULL, NULL, count(*), NULL, NULL, NULL, NULL, NULL
FROM (SELECT site_id, month, entries FROM days WHERE month IS NOT NULL) AS held
FULL JOIN (
    SELECT site_id, month, entries
    FROM month_sum
    WHERE month BETWEEN %(first_month)s AND %(last_month)s
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
) AS summed_up USING (site_id, month)
-- Each month for itself: what somebody took from one may have been put into another.
WHERE coalesce(held.entries, 0) <> coalesce(summed_up.entries, 0)
UNION ALL
SELECT 'site kind', currency, site_id, NULL, NULL, kind, tax_rate, NULL, sum(count)::bigint,
    sum(volume), sum(amount), sum(tax), NULL, NULL
FROM by_site JOIN site ON site.id = by_site.site_id
GROUP BY currency, site_id, kind, tax_rate
UNION ALL
SELECT 'product', currency, NULL, NULL, product, kind, tax_rate, NULL, sum(count)::bigint,
    sum(volume), sum(amount), sum(tax), NULL, NULL
FROM products
GROUP BY currency, product, kind, tax_rate
UNION ALL
SELECT 'payment', currency, NULL, NULL, NULL, kind, NULL, payment, sum(count)::bigint, sum(volume),
    sum(amount), NULL, NULL, NULL
FROM payments
GROUP BY currency, payment, kind
UNION ALL
SELECT 'hour', currency, NULL, NULL, NULL, NULL, NULL, hour, sum(count)::bigint, sum(volume),
    sum(amount), NULL, NULL, NULL
FROM hours
GROUP BY currency, hour
UNION ALL
SELECT 'posted', currency, NULL, NULL, product, kind, coalesce(tax_rate, -1), NULL,
    sum(count)::bigint, sum(volume), sum(amount), sum(tax), NULL, NULL
FROM posted JOIN site ON site.id = posted.site_id
GROUP BY currency, product, kind, coalesce(tax_rate, -1)
UNION ALL
-- What was sold when: by day for a short period (`by_month` false), else by month.
SELECT 'time', currency, NULL, day, NULL, kind, tax_rate, NULL, sum(count)::bigint, sum(volume),
    sum(amount), sum(tax), NULL, NULL
FROM (
    SELECT currency, CASE WHEN %(by_month)s THEN date_trunc('month', fiscal_day)::date
            ELSE fiscal_day END AS day, kind, CASE WHEN tax_rate = -1 THEN tax_rate END AS tax_rate,
        sum(count) AS count, sum(volume) AS volume, sum(amount) AS amount, sum(tax) AS tax
    FROM day_total JOIN site ON site.id = site_id
    WHERE (fiscal_day BETWEEN %(first)s AND %(head)s
            OR fiscal_day BETWEEN %(tail)s AND %(last)s)
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
        AND kind IN (1, 2)
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT currency, month, kind, CASE WHEN tax_rate = -1 THEN tax_rate END, sum(count),
        sum(volume), sum(amount), sum(tax)
    FROM month_total JOIN site ON site.id = site_id
    WHERE month BETWEEN %(first_month)s AND %(last_month)s AND kind IN (1, 2)
        AND (%(site_ids)s::smallint[] IS NULL OR site_id = ANY(%(site_ids)s::smallint[]))
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT currency, CASE WHEN %(by_month)s THEN date_trunc('month', posted_to)::date
        ELSE posted_to END, kind, CASE WHEN tax_rate IS NULL THEN -1 END, count, volume, amount, tax
    FROM posted JOIN site ON site.id = site_id
    WHERE kind IN (1, 2)
) AS parts
GROUP BY currency, day, kind, tax_rate
