-- Postings against the corrections they belong to, column by column: each approved correction puts
-- in what it states, but for a void and for an entry added by hand to its own day, and takes out
-- what the revision before it, or the entry, had put in. `{site_hour}` stands for
-- site_hour.sql. Returns the fiscal day that it is posted to and what does not agree.
WITH approved AS (
    SELECT c.*, lag(c.revision) OVER entry_revisions AS revision_before
    FROM correction c
    WHERE c.site_id = %(site_id)s AND c.status = 'approved'
    WINDOW entry_revisions AS (PARTITION BY c.fiscal_day, c.sequence ORDER BY c.revision)
),
sides AS (
    SELECT a.fiscal_day, a.sequence, a.revision, a.posted_to, v.*
    FROM approved a
    LEFT JOIN correction b
        ON (b.site_id, b.fiscal_day, b.sequence, b.revision)
            = (a.site_id, a.fiscal_day, a.sequence, a.revision_before)
    LEFT JOIN entry e
        ON (e.site_id, e.fiscal_day, e.sequence) = (a.site_id, a.fiscal_day, a.sequence)
    CROSS JOIN LATERAL (
        SELECT
            1 AS side, a.kind, a.product, a.tax_rate, a.payment, a.fuelling_point, a.nozzle, a.tank,
            a.occurred_at, a.volume, a.amount
        WHERE a.action <> 'void'
        UNION ALL
        SELECT
            -1, b.kind, b.product, b.tax_rate, b.payment, b.fuelling_point, b.nozzle, b.tank,
            b.occurred_at, b.volume, b.amount
        WHERE b.action <> 'void'
        UNION ALL
        SELECT
            -1, e.kind, e.product, e.tax_rate, e.payment, e.fuelling_point, e.nozzle, e.tank,
            e.occurred_at, e.volume, e.amount
        WHERE b.revision IS NULL AND e.sequence IS NOT NULL
    ) AS v
    WHERE a.posted_to BETWEEN %(first)s AND %(last)s
        AND NOT (a.action = 'add' AND a.posted_to = a.fiscal_day)
),
stated AS (
    SELECT
        fiscal_day, sequence, revision, side, posted_to, kind, product, tax_rate, payment,
        fuelling_point, nozzle, tank, {site_hour} AS hour, side AS count,
        side * coalesce(volume, 0) AS volume, side * amount AS amount,
        side * coalesce(round(amount * tax_rate / (100 + tax_rate), 2), 0) AS tax
    FROM sides
),
posted AS (
    SELECT *
    FROM correction_posting
    WHERE site_id = %(site_id)s AND posted_to BETWEEN %(first)s AND %(last)s
),
compared AS (
    SELECT
        fiscal_day, sequence, revision, side, coalesce(s.posted_to, p.posted_to) AS posted_to,
        CASE
            WHEN s.kind IS NULL THEN 'one too many'
            WHEN p.kind IS NULL THEN 'one is gone'
            ELSE concat_ws(
                ', ',
                CASE WHEN p.posted_to <> s.posted_to THEN 'posted_to' END,
                CASE WHEN p.kind <> s.kind THEN 'kind' END,
                CASE WHEN p.product <> s.product THEN 'product' END,
                CASE WHEN p.tax_rate IS DISTINCT FROM s.tax_rate THEN 'tax_rate' END,
                CASE WHEN p.payment IS DISTINCT FROM s.payment THEN 'payment' END,
                CASE WHEN p.fuelling_point IS DISTINCT FROM s.fuelling_point THEN 'fuelling_point' END,
                CASE WHEN p.nozzle IS DISTINCT FROM s.nozzle THEN 'nozzle' END,
                CASE WHEN p.tank IS DISTINCT FROM s.tank THEN 'tank' END,
                CASE WHEN p.hour <> s.hour THEN 'hour' END,
                CASE WHEN p.count <> s.count THEN 'count' END,
                CASE WHEN p.volume <> s.volume THEN 'volume' END,
                CASE WHEN p.amount <> s.amount THEN 'amount' END,
                CASE WHEN p.tax <> s.tax THEN 'tax' END
            )
        END AS differing
    FROM stated s
    FULL JOIN posted p USING (fiscal_day, sequence, revision, side)
)
SELECT
    posted_to,
    format('the postings of revision %%s of entry %%s of %%s are not what it states: %%s',
        revision, sequence, fiscal_day, string_agg(differing, '; ' ORDER BY side))
FROM compared
WHERE differing <> ''
GROUP BY posted_to, fiscal_day, sequence, revision
ORDER BY 1, 2
