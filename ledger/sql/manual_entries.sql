-- Entries that the site can no longer send, entered by hand into an unsealed day whose row the
-- caller holds. What they add to the totals follows by add_totals.sql, in the same transaction.
-- They come as JSON objects by the names of the columns.
INSERT INTO entry (
    site_id, fiscal_day, sequence, kind, flags, occurred_at, received_at, product, amount, volume,
    volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment, device_transaction,
    totalizer, offline
)
SELECT
    site_id, fiscal_day, sequence, kind, flags, occurred_at, received_at, product, amount, volume,
    volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment, device_transaction,
    totalizer, offline
FROM jsonb_populate_recordset(NULL::entry, %(entries)s::jsonb)
ORDER BY sequence
