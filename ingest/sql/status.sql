-- Here the order of receipt decides and not the declared time: a last will carries the time of
-- the connection it ends, which is older than everything the controller said in between. So the
-- time it declares may lie in the future, too, and changes nothing. Of two workers that share the
-- sites the one that received it later has the last word, whichever commits first.
--
-- Without a state the site had its status forgotten: whether it is online is unknown again.
INSERT INTO site_status (site_id, online, controller, at, since, last_heard_at, received_at)
VALUES (
    %(site_id)s, %(online)s, %(controller)s, %(at)s, %(since)s, %(since)s, %(received_at)s
)
ON CONFLICT (site_id) DO UPDATE SET
    online = excluded.online,
    controller = excluded.controller,
    at = excluded.at,
    since = CASE
        WHEN site_status.online IS NOT DISTINCT FROM excluded.online THEN site_status.since
        ELSE excluded.since
    END,
    received_at = excluded.received_at
WHERE site_status.received_at IS NULL OR site_status.received_at <= excluded.received_at
