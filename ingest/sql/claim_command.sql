-- The oldest command that waits and that no other worker is sending at this moment. The row's lock
-- is the claim: it lasts as long as the transaction, so a worker that dies lets go of it at once,
-- and nothing has to be tidied up.
SELECT c.id, c.kind, s.code, c.fiscal_day, c.ranges, c.site_id
FROM command c
JOIN site s ON s.id = c.site_id
WHERE c.sent_at IS NULL AND (
    c.kind IN ('resend', 'seal')
    -- Asked of a site that is there: a broker that forgot its sessions forgot the sites', too.
    OR c.kind = 'resend_since' AND EXISTS (
        SELECT 1
        FROM site_status
        WHERE site_status.site_id = c.site_id AND site_status.last_heard_at > c.requested_at
    )
)
ORDER BY c.id
LIMIT 1
FOR NO KEY UPDATE OF c SKIP LOCKED
