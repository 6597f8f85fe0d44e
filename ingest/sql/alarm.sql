-- The log takes each event once; the alarm's present state follows the newest event
-- (`newest_wins`), whatever order they arrive in. Returns `new`, `held` or `conflict`, as for a
-- delivery.
--
-- An event that the log holds already was sent twice, and changes nothing: its first receipt has
-- been judged. But a clock of whole seconds makes the same of an alarm that starts, finishes and
-- starts within one: where the alarm stands at that very time, the event that comes last counts,
-- for an alarm shown too long is better than one that is hidden.
WITH inserted AS (
    INSERT INTO alarm_event (
        site_id, device, number, code, at, state, severity, text, received_at
    ) VALUES (
        %(site_id)s, %(device)s, %(number)s, %(code)s, %(at)s, %(state)s, %(severity)s, %(text)s,
        %(received_at)s
    )
    ON CONFLICT DO NOTHING
    RETURNING site_id
),
held AS (
    SELECT site_id
    FROM alarm_event
    WHERE (site_id, device, number, code, at, state)
        = (%(site_id)s, %(device)s, %(number)s, %(code)s, %(at)s, %(state)s)
        AND (severity, text) = (%(severity)s, %(text)s)
),
now AS (
    INSERT INTO alarm (site_id, device, number, code, at, state, severity, text, received_at)
    SELECT
        site_id, %(device)s, %(number)s, %(code)s, %(at)s, %(state)s, %(severity)s, %(text)s,
        %(received_at)s
    FROM (SELECT site_id FROM inserted UNION ALL SELECT site_id FROM held) AS told
    ON CONFLICT (site_id, device, number, code) DO UPDATE SET
        at = excluded.at, state = excluded.state, severity = excluded.severity,
        text = excluded.text, received_at = excluded.received_at
    WHERE newest_wins(excluded.at, excluded.received_at, alarm.at, alarm.received_at)
        AND (
            EXISTS (SELECT FROM inserted)
            OR (alarm.at = excluded.at AND alarm.state <> excluded.state)
        )
)
SELECT CASE
    WHEN EXISTS (SELECT FROM inserted) THEN 'new'
    WHEN EXISTS (SELECT FROM held) THEN 'held'
    ELSE 'conflict'
END
