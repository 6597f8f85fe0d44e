-- The same bytes on the same topic for the same reason are one waiting row: a redelivery after a
-- crash, or a controller that repeats itself, raises `seen` and adds nothing.
INSERT INTO quarantine (
    first_received_at, last_received_at, seen, topic, site_id, reason, detail, item_index,
    fiscal_day, sequence, raw, raw_size, digest, replay_of_id
) VALUES (
    %(received_at)s, %(received_at)s, %(seen)s, %(topic)s, %(site_id)s, %(reason)s, %(detail)s,
    %(item_index)s, %(fiscal_day)s, %(sequence)s, %(raw)s, %(raw_size)s, %(digest)s,
    %(replay_of)s
)
ON CONFLICT (digest) WHERE outcome = 'waiting' DO UPDATE SET
    seen = quarantine.seen + excluded.seen,
    last_received_at = excluded.last_received_at,
    replay_of_id = coalesce(quarantine.replay_of_id, excluded.replay_of_id)
