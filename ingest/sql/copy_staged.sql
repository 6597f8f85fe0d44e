-- Entries that may be there already; see stage_entries.sql.
COPY stage_entry (
    n, site_id, fiscal_day, sequence, kind, flags, occurred_at, received_at, product, amount,
    volume, volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment,
    device_transaction, totalizer, offline
) FROM STDIN WITH (FORMAT csv, NULL 'null', ESCAPE '\')
