-- Postings against the corrections they belong to: each approved correction has its side that puts
-- in what it states, but for a void and for an entry added by hand to its own day; what it took
-- out is what the revision before it, or the entry, had put in. Returns the fiscal day that it is
-- posted to and what does not agree.
WITH approved AS (
    SELECT c.*, lag(c.revision) OVER entry_revisions AS revision_before
    FROM correction c
    WHERE c.site_id = %(site_id)s AND c.status = 'approved'
    WINDOW entry_revisions AS (PARTITION BY c.fiscal_day, c.sequence ORDER BY c.revision)
),
stated AS (
    SELECT
        a.fiscal_day, a.sequence, a.revision, a.posted_to, a.action,
        a.amount, coalesce(a.volume, 0) AS volume, a.kind, a.product,
        a.action = 'add' AND a.posted_to = a.fiscal_day AS is_entry,
        CASE
            WHEN b.revision IS NOT NULL THEN CASE WHEN b.action <> 'void' THEN b.amount END
            ELSE e.amount
        END AS amount_before
    FROM approved a
    LEFT JOIN correction b
        ON (b.site_id, b.fiscal_day, b.sequence, b.revision)
            = (a.site_id, a.fiscal_day, a.sequence, a.revision_before)
    LEFT JOIN entry e
        ON (e.site_id, e.fiscal_day, e.sequence) = (a.site_id, a.fiscal_day, a.sequence)
    WHERE a.posted_to BETWEEN %(first)s AND %(last)s
),
posted AS (
    SELECT
        fiscal_day, sequence, revision, min(posted_to) AS posted_to,
        sum(amount) FILTER (WHERE side = -1) AS amount_out,
        sum(amount) FILTER (WHERE side = 1) AS amount_in,
        sum(volume) FILTER (WHERE side = 1) AS volume_in,
        max(kind) FILTER (WHERE side = 1) AS kind_in,
        max(product) FILTER (WHERE side = 1) AS product_in
    FROM correction_posting
    WHERE site_id = %(site_id)s AND posted_to BETWEEN %(first)s AND %(last)s
    GROUP BY 1, 2, 3
)
SELECT
    coalesce(s.posted_to, p.posted_to),
    format('the postings of revision %%s of entry %%s of %%s are not what it states',
        revision, sequence, fiscal_day)
FROM stated s
FULL JOIN posted p USING (fiscal_day, sequence, revision)
WHERE CASE
    WHEN s.fiscal_day IS NULL THEN true
    WHEN s.is_entry THEN p.fiscal_day IS NOT NULL
    WHEN s.action = 'void' THEN
        (p.posted_to, p.amount_out, p.amount_in)
            IS DISTINCT FROM (s.posted_to, -s.amount_before, NULL::numeric)
    ELSE
        (p.posted_to, p.amount_out, p.amount_in, p.volume_in, p.kind_in, p.product_in)
            IS DISTINCT FROM
                (s.posted_to, -s.amount_before, s.amount, s.volume, s.kind, s.product)
END
ORDER BY 1, 2
