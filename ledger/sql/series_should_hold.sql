-- The seals that a copy must hold that knows the audit trail up to a link.
SELECT s.code, d.fiscal_day, d.z_number
FROM audit_event e
JOIN audit_link l ON l.event_id = e.id
JOIN fiscal_day d ON (d.site_id, d.fiscal_day) = (e.site_id, e.fiscal_day)
JOIN site s ON s.id = d.site_id
WHERE e.action = 'day.sealed' AND d.z_number IS NOT NULL AND l.number <= %(up_to)s
    AND s.id = ANY (%(site_ids)s) AND d.fiscal_day BETWEEN %(first)s AND %(last)s
ORDER BY s.code, d.z_number
