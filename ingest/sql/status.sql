-- Here the order of receipt decides and not the declared time: a last will carries the time of
-- the connection it ends, which is older than everything the controller said in between.
INSERT INTO site_status (site_id, online, controller, at, since, last_heard_at)
VALUES (
    %(site_id)s, %(online)s, %(controller)s, %(at)s, %(received_at)s, %(received_at)s
)
ON CONFLICT (site_id) DO UPDATE SET
    online = excluded.online,
    controller = excluded.controller,
    at = excluded.at,
    since = CASE
        WHEN site_status.online IS NOT DISTINCT FROM excluded.online THEN site_status.since
        ELSE excluded.since
    END
