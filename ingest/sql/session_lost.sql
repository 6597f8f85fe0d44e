-- The worker's own row says what became of its session, and the audit trail that sites were asked.
WITH worker AS (
    UPDATE ingest_worker SET
        session_lost_at = %(now)s,
        session_lost_since = %(lost_since)s,
        sites_asked = %(sites)s
    WHERE name = %(worker)s
)
INSERT INTO audit_event (at, actor_name, action, subject, detail)
VALUES (
    %(now)s, %(worker)s, 'ingest.session_lost', %(worker)s,
    jsonb_build_object('since', %(lost_since)s::timestamptz, 'sites', %(sites)s::integer)
)
