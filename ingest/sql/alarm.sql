-- The log takes each event once; the alarm's present state follows the newest event, whatever
-- order they arrive in. Returns `new`, `held` or `conflict`, as for a delivery.
WITH inserted AS (
    INSERT INTO alarm_event (
        site_id, device, number, code, at, state, severity, text, received_at
    ) VALUES (
        %(site_id)s, %(device)s, %(number)s, %(code)s, %(at)s, %(state)s, %(severity)s, %(text)s,
        %(received_at)s
    )
    ON CONFLICT DO NOTHING
    RETURNING site_id, device, number, code, at, state, severity, text
),
now AS (
    INSERT INTO alarm (site_id, device, number, code, at, state, severity, text)
    SELECT site_id, device, number, code, at, state, severity, text FROM inserted
    ON CONFLICT (site_id, device, number, code) DO UPDATE SET
        at = excluded.at, state = excluded.state, severity = excluded.severity,
        text = excluded.text
    WHERE excluded.at >= alarm.at
)
SELECT CASE
    WHEN EXISTS (SELECT FROM inserted) THEN 'new'
    WHEN EXISTS (
        SELECT FROM alarm_event
        WHERE (site_id, device, number, code, at, state)
            = (%(site_id)s, %(device)s, %(number)s, %(code)s, %(at)s, %(state)s)
            AND (severity, text) = (%(severity)s, %(text)s)
    ) THEN 'held'
    ELSE 'conflict'
END
