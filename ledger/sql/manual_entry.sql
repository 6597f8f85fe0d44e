-- An entry that the site can no longer send, entered by hand into an unsealed day whose row the
-- caller holds: the entry and all that it adds, in one statement, as the ingest worker does for a
-- batch. The newest sale of a nozzle stays what its controller said.
WITH written AS (
    INSERT INTO entry (
        site_id, fiscal_day, sequence, kind, flags, occurred_at, received_at, product, amount,
        volume, volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment,
        device_transaction, totalizer, offline
    ) VALUES (
        %(site_id)s, %(fiscal_day)s, %(sequence)s, %(kind)s, %(flags)s, %(occurred_at)s,
        %(received_at)s, %(product)s, %(amount)s, %(volume)s, %(volume_15c)s, %(unit_price)s,
        %(tax_rate)s, %(fuelling_point)s, %(nozzle)s, %(tank)s, %(payment)s,
        %(device_transaction)s, %(totalizer)s, %(offline)s
    )
    RETURNING *
),
day AS (
    UPDATE fiscal_day d SET
        entry_count = d.entry_count + 1,
        highest_sequence = greatest(d.highest_sequence, written.sequence),
        last_entry_at = greatest(d.last_entry_at, written.occurred_at),
        last_received_at = written.received_at
    FROM written
    WHERE (d.site_id, d.fiscal_day) = (written.site_id, written.fiscal_day)
),
totals AS (
    INSERT INTO day_total (
        site_id, fiscal_day, product, kind, tax_rate, count, volume, amount, tax
    )
    SELECT
        site_id, fiscal_day, product, kind, coalesce(tax_rate, %(no_tax_rate)s), 1,
        coalesce(volume, 0), amount, %(tax)s
    FROM written
    ON CONFLICT (site_id, fiscal_day, product, kind, tax_rate) DO UPDATE SET
        count = day_total.count + excluded.count,
        volume = day_total.volume + excluded.volume,
        amount = day_total.amount + excluded.amount,
        tax = day_total.tax + excluded.tax
),
payments AS (
    INSERT INTO payment_total (site_id, fiscal_day, payment, kind, count, volume, amount)
    SELECT
        site_id, fiscal_day, coalesce(payment, %(no_payment)s), kind, 1, coalesce(volume, 0),
        amount
    FROM written
    ON CONFLICT (site_id, fiscal_day, payment, kind) DO UPDATE SET
        count = payment_total.count + excluded.count,
        volume = payment_total.volume + excluded.volume,
        amount = payment_total.amount + excluded.amount
)
INSERT INTO hour_total (site_id, fiscal_day, hour, count, volume, amount)
SELECT site_id, fiscal_day, %(hour)s, 1, coalesce(volume, 0), amount
FROM written
WHERE kind = ANY (%(turnover_kinds)s)
ON CONFLICT (site_id, fiscal_day, hour) DO UPDATE SET
    count = hour_total.count + excluded.count,
    volume = hour_total.volume + excluded.volume,
    amount = hour_total.amount + excluded.amount
