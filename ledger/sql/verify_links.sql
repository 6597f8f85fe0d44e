-- The links of the audit trail behind a number, with what their events are now: null where the
-- event is gone. `{audit_line}` stands for audit_line.sql, which an event of a site that is not there
-- would share with one of no site. A piece at a time.
SELECT
    l.number, l.event_id, l.event_digest, l.digest,
    CASE WHEN e.id IS NOT NULL THEN sha256(convert_to(
        {audit_line} || CASE WHEN e.site_id IS NOT NULL AND s.id IS NULL THEN '?' ELSE '' END || chr(10),
        'UTF8'
    )) END,
    s.code, e.fiscal_day, e.action
FROM audit_link l
LEFT JOIN audit_event e ON e.id = l.event_id
LEFT JOIN site s ON s.id = e.site_id
WHERE l.number > %(after)s
ORDER BY l.number
LIMIT %(links)s
