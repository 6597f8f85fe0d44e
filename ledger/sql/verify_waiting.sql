-- Events outside of the chain: those that wait for their link, of which the newest may, and those
-- that do not even wait: they came past the trigger. And what waits though its event is gone, or
-- though it has a link.
SELECT
    coalesce(e.id, u.event_id), s.code, e.fiscal_day,
    CASE
        WHEN e.id IS NULL THEN 'gone'
        WHEN l.number IS NOT NULL THEN 'linked'
        WHEN u.event_id IS NULL THEN 'past'
        ELSE 'waits'
    END
FROM audit_event e
FULL JOIN audit_unlinked u ON u.event_id = e.id
LEFT JOIN audit_link l ON l.event_id = coalesce(e.id, u.event_id)
LEFT JOIN site s ON s.id = e.site_id
WHERE l.number IS NULL OR u.event_id IS NOT NULL
ORDER BY 1
