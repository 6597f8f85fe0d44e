-- The order of columns is that of `ingest.rows.entry_line`.
COPY stage_entry (
    n, site_id, fiscal_day, sequence, kind, flags, occurred_at, product, amount, volume,
    volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment,
    device_transaction, totalizer, offline
) FROM STDIN
