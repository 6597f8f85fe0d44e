-- A worker that was renamed or retired is forgotten together with its last pulse.
DELETE FROM ingest_worker WHERE reported_at < now() - make_interval(days => %(days)s)
