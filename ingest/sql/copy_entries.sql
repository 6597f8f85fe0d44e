-- Entries that cannot be there yet: the worker holds their day's row, and their sequence is above
-- the day's highest. The order of columns is that of `ingest.rows.entry_row`.
COPY entry (
    site_id, fiscal_day, sequence, kind, flags, occurred_at, received_at, product, amount, volume,
    volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment,
    device_transaction, totalizer, offline
) FROM STDIN WITH (FORMAT csv, NULL 'null', ESCAPE '\')
