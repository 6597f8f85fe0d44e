-- Of the staged entries, those whose key is free, in the order of their arrival: the first one
-- takes the key. A sealed day takes none. Returns the keys that were taken.
INSERT INTO entry (
    site_id, fiscal_day, sequence, kind, flags, occurred_at, received_at, product, amount,
    volume, volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment,
    device_transaction, totalizer, offline
)
SELECT
    s.site_id, s.fiscal_day, s.sequence, s.kind, s.flags, s.occurred_at, s.received_at, s.product,
    s.amount, s.volume, s.volume_15c, s.unit_price, s.tax_rate, s.fuelling_point, s.nozzle, s.tank,
    s.payment, s.device_transaction, s.totalizer, s.offline
FROM stage_entry s
JOIN fiscal_day d USING (site_id, fiscal_day)
WHERE d.sealed_at IS NULL
ORDER BY s.n
ON CONFLICT DO NOTHING
RETURNING site_id, fiscal_day, sequence
