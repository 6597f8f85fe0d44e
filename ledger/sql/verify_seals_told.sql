-- Each seal beside what the audit trail tells of it: either may be missing. A day that the trail
-- tells to have been sealed more than once comes once for each of them. With what is needed to
-- verify the signature, and the link that it speaks of as that is now. The first signed seal of a
-- site says from when on all are.
WITH told AS (
    SELECT
        e.site_id, e.fiscal_day, e.id, l.number,
        e.detail ->> 'seal' AS seal, e.detail ->> 'z_number' AS z_number,
        coalesce(e.detail ->> 'signed_with', '') AS key_id,
        count(*) OVER (PARTITION BY e.site_id, e.fiscal_day) AS times
    FROM audit_event e
    LEFT JOIN audit_link l ON l.event_id = e.id
    WHERE e.action = 'day.sealed' AND e.site_id = ANY (%(site_ids)s)
        AND e.fiscal_day BETWEEN %(first)s AND %(last)s
),
sealed AS (
    SELECT d.site_id, d.fiscal_day, d.z_number, d.seal
    FROM fiscal_day d
    WHERE d.seal IS NOT NULL AND d.site_id = ANY (%(site_ids)s)
        AND d.fiscal_day BETWEEN %(first)s AND %(last)s
),
signing AS (
    SELECT d.site_id, min(d.z_number) AS first_number
    FROM day_seal k
    JOIN fiscal_day d USING (site_id, fiscal_day)
    WHERE k.signature IS NOT NULL
    GROUP BY d.site_id
)
SELECT
    s.code, coalesce(d.fiscal_day, t.fiscal_day), d.z_number, d.seal,
    t.id, t.number, t.seal, t.z_number, t.key_id, t.times,
    k.trail_number, k.trail_digest, k.key_id, k.signature, h.digest,
    d.z_number >= signing.first_number
FROM sealed d
FULL JOIN told t USING (site_id, fiscal_day)
JOIN site s ON s.id = coalesce(d.site_id, t.site_id)
LEFT JOIN day_seal k ON (k.site_id, k.fiscal_day) = (d.site_id, d.fiscal_day)
LEFT JOIN audit_link h ON h.number = k.trail_number
LEFT JOIN signing ON signing.site_id = d.site_id
ORDER BY s.code, coalesce(d.z_number, 2147483647), 2
