-- When things began that were known before it was stored, as well as the rows still say. Alarms
-- have their receipt from the log. Of a day's gap the receipt of the first entry above it is the
-- time (see gap_since.sql); only days of the last weeks are shown by their age. Sealed days stay
-- as they are.
UPDATE alarm SET received_at = event.received_at
FROM alarm_event event
WHERE (event.site_id, event.device, event.number, event.code, event.at, event.state)
    = (alarm.site_id, alarm.device, alarm.number, alarm.code, alarm.at, alarm.state);

UPDATE pump_state SET since = received_at WHERE since > received_at;

UPDATE fiscal_day day SET gap_since = coalesce(
    (
        SELECT min(above.received_at)
        FROM (
            SELECT e.sequence, row_number() OVER (ORDER BY e.sequence) AS number, e.received_at
            FROM entry e
            WHERE e.site_id = day.site_id AND e.fiscal_day = day.fiscal_day
        ) AS above
        WHERE above.sequence > above.number
    ),
    least(day.closed_at, now())
)
WHERE day.fiscal_day > current_date - 40 AND day.sealed_at IS NULL
    AND greatest(coalesce(day.last_sequence, 0), day.highest_sequence) > day.entry_count
