-- What became of a released message, in the transaction that stored it.
UPDATE quarantine SET
    replayed_at = clock_timestamp(),
    replayed_by = %(worker)s,
    replay_stored = %(stored)s,
    replay_duplicates = %(duplicates)s,
    replay_quarantined = %(quarantined)s
WHERE id = %(id)s
