-- The broker has acknowledged it. The bell rings for the pages that show the request.
WITH sent AS (
    UPDATE command SET sent_at = clock_timestamp(), sent_by = %(worker)s
    WHERE id = %(id)s
    RETURNING site_id
)
SELECT pg_notify('ledger_changes', json_build_object('sites', json_build_array(site_id))::text)
FROM sent
