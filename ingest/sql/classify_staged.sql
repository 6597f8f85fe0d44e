-- What became of each staged entry: `held` when the ledger holds the same (the one just inserted,
-- or the one it repeats), `conflict` when it holds another under that key, `sealed` when it holds
-- none because the day is sealed.
-- LATERAL with LIMIT keeps the planner from reading the whole ledger for a hash join.
SELECT
    s.n,
    CASE
        WHEN e.sequence IS NULL THEN 'sealed'
        WHEN (
            e.kind, e.occurred_at, e.product, e.amount, coalesce(e.volume, 0), e.volume_15c,
            e.unit_price, e.tax_rate, e.fuelling_point, e.nozzle, e.tank, e.payment,
            e.device_transaction, e.totalizer, e.offline
        ) IS DISTINCT FROM (
            s.kind, s.occurred_at, s.product, s.amount, coalesce(s.volume, 0), s.volume_15c,
            s.unit_price, s.tax_rate, s.fuelling_point, s.nozzle, s.tank, s.payment,
            s.device_transaction, s.totalizer, s.offline
        ) THEN 'conflict'
        ELSE 'held'
    END
FROM stage_entry s
LEFT JOIN LATERAL (
    SELECT *
    FROM entry
    WHERE (entry.site_id, entry.fiscal_day, entry.sequence) = (s.site_id, s.fiscal_day, s.sequence)
    LIMIT 1
) e ON true
