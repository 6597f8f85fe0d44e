-- An entry that the site can no longer send, entered by hand into an unsealed day whose row the
-- caller holds. What it adds to the totals follows by add_totals.sql, in the same transaction.
INSERT INTO entry (
    site_id, fiscal_day, sequence, kind, flags, occurred_at, received_at, product, amount, volume,
    volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment, device_transaction,
    totalizer, offline
) VALUES (
    %(site_id)s, %(fiscal_day)s, %(sequence)s, %(kind)s, %(flags)s, %(occurred_at)s,
    %(received_at)s, %(product)s, %(amount)s, %(volume)s, %(volume_15c)s, %(unit_price)s,
    %(tax_rate)s, %(fuelling_point)s, %(nozzle)s, %(tank)s, %(payment)s, %(device_transaction)s,
    %(totalizer)s, %(offline)s
)
