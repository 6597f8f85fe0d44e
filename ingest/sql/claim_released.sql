-- The row's lock is the claim: it lasts as long as the transaction that stores the message and says
-- so here, so a worker that is killed in between lets go of it with nothing stored.
SELECT id
FROM quarantine
WHERE id = %(id)s AND outcome = 'released' AND replayed_at IS NULL
FOR NO KEY UPDATE SKIP LOCKED
