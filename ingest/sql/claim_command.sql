-- The oldest command that waits and that no other worker is sending at this moment. The row's lock
-- is the claim: it lasts as long as the transaction, so a worker that dies lets go of it at once,
-- and nothing has to be tidied up.
SELECT c.id, c.kind, s.code, c.fiscal_day, c.ranges, c.site_id
FROM command c
JOIN site s ON s.id = c.site_id
WHERE c.sent_at IS NULL AND (
    c.kind IN ('resend', 'seal')
    -- Asked of a site that is there: a broker that forgot its sessions forgot the sites', too, and
    -- may have done so again since this was asked for.
    OR c.kind = 'resend_since' AND EXISTS (
        SELECT 1
        FROM site_status
        WHERE site_status.site_id = c.site_id AND site_status.last_heard_at > greatest(
            c.requested_at, (SELECT max(session_lost_at) FROM ingest_worker)
        )
    )
    -- A broker that forgets one session after the other shall not have all sites send all that
    -- they hold each time.
    AND NOT EXISTS (
        SELECT 1
        FROM command AS earlier
        WHERE earlier.site_id = c.site_id AND earlier.kind = 'resend_since'
            AND earlier.sent_at > now() - make_interval(secs => %(asked_again_after_s)s)
    )
)
ORDER BY c.id
LIMIT 1
FOR NO KEY UPDATE OF c SKIP LOCKED
