-- Decisions on quarantined messages, of all sites and of none, against the audit trail, which tells
-- each of them; and what became of a message against the last decision on it. Returns the number of
-- the message and what does not agree.
WITH told AS (
    SELECT
        message::bigint AS quarantine_id,
        CASE action
            WHEN 'quarantine.released' THEN 'replay'
            WHEN 'quarantine.mended' THEN 'mend'
            WHEN 'quarantine.day_accepted' THEN 'admit'
            WHEN 'quarantine.accepted' THEN 'accept'
            WHEN 'quarantine.refused' THEN 'refuse'
            WHEN 'quarantine.dismissed' THEN 'dismiss'
        END AS action,
        actor_id AS decided_by_id, detail ->> 'note' AS note, count(*) AS times
    FROM audit_event
    CROSS JOIN LATERAL jsonb_array_elements_text(detail -> 'messages') AS message
    WHERE action LIKE 'quarantine.%%'
    GROUP BY 1, 2, 3, 4
)
SELECT quarantine_id, 'the audit trail tells otherwise of what was decided on message %%s'
FROM (
    SELECT quarantine_id, action, decided_by_id, note, count(*) AS times
    FROM quarantine_decision
    GROUP BY 1, 2, 3, 4
) AS decided
FULL JOIN told USING (quarantine_id, action, decided_by_id, note)
WHERE decided.times IS DISTINCT FROM told.times
UNION
SELECT last.quarantine_id, 'message %%s is not as the last decision on it left it'
FROM (
    SELECT DISTINCT ON (quarantine_id) quarantine_id, action
    FROM quarantine_decision
    ORDER BY quarantine_id, number DESC
) AS last
LEFT JOIN quarantine q ON q.id = last.quarantine_id
WHERE q.outcome IS DISTINCT FROM CASE last.action
    WHEN 'accept' THEN 'accepted'
    WHEN 'refuse' THEN 'refused'
    WHEN 'dismiss' THEN 'dismissed'
    ELSE 'released'
END
ORDER BY 1, 2
