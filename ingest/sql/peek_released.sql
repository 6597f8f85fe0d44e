-- The oldest released message that no other worker is storing at this moment, with its mended bytes
-- where somebody mended it. Only a look: its decoding may take sites and partitions that have to be
-- there before the transaction that claims it (claim_released.sql).
SELECT q.id, q.topic, coalesce(d.payload, q.raw), q.last_received_at
FROM quarantine q
LEFT JOIN LATERAL (
    SELECT payload
    FROM quarantine_decision
    WHERE quarantine_id = q.id
    ORDER BY number DESC
    LIMIT 1
) d ON true
WHERE q.outcome = 'released' AND q.replayed_at IS NULL
ORDER BY q.id
LIMIT 1
FOR NO KEY UPDATE OF q SKIP LOCKED
