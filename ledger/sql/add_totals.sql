-- What new entries add up to, added in their own transaction: no commit shows an entry without its
-- totals or totals without their entries. The caller holds the days' rows and has summed already, so
-- each total is touched once a batch of the worker, and once for an entry added by hand. Rows come
-- as JSON arrays, in the order of the key.
--
-- What was received has happened: the newest entry of a day or a nozzle is no younger than its
-- receipt, else a clock that is ahead hides for how long nothing was sold.
WITH days AS (
    UPDATE fiscal_day d SET
        entry_count = d.entry_count + (r ->> 2)::integer,
        highest_sequence = greatest(d.highest_sequence, (r ->> 3)::integer),
        last_entry_at = greatest(
            d.last_entry_at, least((r ->> 4)::timestamptz, %(received_at)s::timestamptz)
        ),
        last_received_at = %(received_at)s
    FROM jsonb_array_elements(%(days)s::jsonb) AS r
    WHERE d.site_id = (r ->> 0)::smallint AND d.fiscal_day = (r ->> 1)::date
),
totals AS (
    INSERT INTO day_total (site_id, fiscal_day, product, kind, tax_rate, count, volume, amount, tax)
    SELECT
        (r ->> 0)::smallint, (r ->> 1)::date, r ->> 2, (r ->> 3)::smallint, (r ->> 4)::numeric,
        (r ->> 5)::integer, (r ->> 6)::numeric, (r ->> 7)::numeric, (r ->> 8)::numeric
    FROM jsonb_array_elements(%(totals)s::jsonb) AS r
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (site_id, fiscal_day, product, kind, tax_rate) DO UPDATE SET
        count = day_total.count + excluded.count,
        volume = day_total.volume + excluded.volume,
        amount = day_total.amount + excluded.amount,
        tax = day_total.tax + excluded.tax
),
payments AS (
    INSERT INTO payment_total (site_id, fiscal_day, payment, kind, count, volume, amount)
    SELECT
        (r ->> 0)::smallint, (r ->> 1)::date, (r ->> 2)::smallint, (r ->> 3)::smallint,
        (r ->> 4)::integer, (r ->> 5)::numeric, (r ->> 6)::numeric
    FROM jsonb_array_elements(%(payments)s::jsonb) AS r
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (site_id, fiscal_day, payment, kind) DO UPDATE SET
        count = payment_total.count + excluded.count,
        volume = payment_total.volume + excluded.volume,
        amount = payment_total.amount + excluded.amount
),
hours AS (
    INSERT INTO hour_total (site_id, fiscal_day, hour, count, volume, amount)
    SELECT
        (r ->> 0)::smallint, (r ->> 1)::date, (r ->> 2)::smallint, (r ->> 3)::integer,
        (r ->> 4)::numeric, (r ->> 5)::numeric
    FROM jsonb_array_elements(%(hours)s::jsonb) AS r
    ORDER BY 1, 2, 3
    ON CONFLICT (site_id, fiscal_day, hour) DO UPDATE SET
        count = hour_total.count + excluded.count,
        volume = hour_total.volume + excluded.volume,
        amount = hour_total.amount + excluded.amount
)
INSERT INTO nozzle_state (
    site_id, fuelling_point, nozzle, fiscal_day, sequence, occurred_at, product, volume, amount,
    totalizer
)
SELECT
    (r ->> 0)::smallint, (r ->> 1)::smallint, (r ->> 2)::smallint, (r ->> 3)::date,
    (r ->> 4)::integer, least((r ->> 5)::timestamptz, %(received_at)s::timestamptz), r ->> 6,
    (r ->> 7)::numeric, (r ->> 8)::numeric, (r ->> 9)::numeric
FROM jsonb_array_elements(%(nozzles)s::jsonb) AS r
ORDER BY 1, 2, 3
ON CONFLICT (site_id, fuelling_point, nozzle) DO UPDATE SET
    fiscal_day = excluded.fiscal_day,
    sequence = excluded.sequence,
    occurred_at = excluded.occurred_at,
    product = excluded.product,
    volume = excluded.volume,
    amount = excluded.amount,
    totalizer = excluded.totalizer
WHERE (excluded.fiscal_day, excluded.sequence) > (nozzle_state.fiscal_day, nozzle_state.sequence)
    -- One of a day that cannot be, from before such days were refused, gives way.
    OR nozzle_state.fiscal_day > (
        SELECT {last_plausible_day} FROM site WHERE site.id = nozzle_state.site_id
    )
