-- The one writer of entry, and of everything that is added up from it: the totals move in the
-- same statement as the rows they are made of, so no commit ever shows one without the other.
-- A repeat is left out by ON CONFLICT; what it was is found out by classify_entries.sql, and only
-- when fewer rows were inserted than staged. The days are locked already (lock_days.sql).
--
-- A totalizer is judged only where the sale before it on the same nozzle is certain: the day has
-- no gap so far and the batch continues it without one. Then the meter must have moved by the
-- volume sold, within 0.010 litres (meters count in hundredths).
WITH staged AS (
    SELECT
        s.*,
        d.entry_count = d.highest_sequence AND s.sequence - d.highest_sequence = dense_rank() OVER (
            PARTITION BY s.site_id, s.fiscal_day, s.sequence > d.highest_sequence
            ORDER BY s.sequence
        ) AS follows,
        CASE
            WHEN lag(s.n) OVER nozzle_line IS NULL THEN before.totalizer
            ELSE lag(s.totalizer) OVER nozzle_line
        END AS totalizer_before
    FROM stage_entry s
    JOIN fiscal_day d USING (site_id, fiscal_day)
    LEFT JOIN nozzle_state before USING (site_id, fiscal_day, fuelling_point, nozzle)
    WHERE d.sealed_at IS NULL
    WINDOW nozzle_line AS (
        PARTITION BY s.site_id, s.fiscal_day, s.fuelling_point, s.nozzle ORDER BY s.sequence, s.n
    )
),
inserted AS (
    INSERT INTO entry (
        site_id, fiscal_day, sequence, kind, flags, occurred_at, received_at, product, amount,
        volume, volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment,
        device_transaction, totalizer, offline
    )
    SELECT
        site_id, fiscal_day, sequence, kind,
        CASE
            WHEN follows AND kind <> %(refund)s
                AND abs(totalizer - totalizer_before - coalesce(volume, 0)) > 0.010
            THEN flags | %(totalizer_jump)s
            ELSE flags
        END,
        occurred_at, %(received_at)s, product, amount,
        volume, volume_15c, unit_price, tax_rate, fuelling_point, nozzle, tank, payment,
        device_transaction, totalizer, offline
    FROM staged
    ORDER BY site_id, fiscal_day, sequence, n
    ON CONFLICT DO NOTHING
    RETURNING
        site_id, fiscal_day, sequence, kind, occurred_at, product, amount, volume, tax_rate,
        fuelling_point, nozzle, totalizer
),
day_totals AS (
    INSERT INTO day_total (site_id, fiscal_day, product, kind, count, volume, amount, tax)
    SELECT
        site_id, fiscal_day, product, kind, count(*), coalesce(sum(volume), 0), sum(amount),
        coalesce(sum(round(amount * tax_rate / (100 + tax_rate), 2)), 0)
    FROM inserted
    GROUP BY site_id, fiscal_day, product, kind
    ON CONFLICT (site_id, fiscal_day, product, kind) DO UPDATE SET
        count = day_total.count + excluded.count,
        volume = day_total.volume + excluded.volume,
        amount = day_total.amount + excluded.amount,
        tax = day_total.tax + excluded.tax
),
hour_totals AS (
    INSERT INTO hour_total (site_id, fiscal_day, hour, count, volume, amount)
    SELECT
        i.site_id, i.fiscal_day, extract(hour FROM i.occurred_at AT TIME ZONE s.timezone),
        count(*), coalesce(sum(i.volume), 0), sum(i.amount)
    FROM inserted i
    JOIN site s ON s.id = i.site_id
    WHERE i.kind = ANY (%(turnover)s)
    GROUP BY 1, 2, 3
    ON CONFLICT (site_id, fiscal_day, hour) DO UPDATE SET
        count = hour_total.count + excluded.count,
        volume = hour_total.volume + excluded.volume,
        amount = hour_total.amount + excluded.amount
),
days AS (
    UPDATE fiscal_day d SET
        entry_count = d.entry_count + i.count,
        highest_sequence = greatest(d.highest_sequence, i.highest),
        last_entry_at = greatest(d.last_entry_at, i.newest),
        last_received_at = %(received_at)s
    FROM (
        SELECT
            site_id, fiscal_day, count(*) AS count, max(sequence) AS highest,
            max(occurred_at) AS newest
        FROM inserted
        GROUP BY site_id, fiscal_day
    ) i
    WHERE (d.site_id, d.fiscal_day) = (i.site_id, i.fiscal_day)
),
nozzle_states AS (
    INSERT INTO nozzle_state (
        site_id, fuelling_point, nozzle, fiscal_day, sequence, occurred_at, product, volume,
        amount, totalizer
    )
    SELECT DISTINCT ON (site_id, fuelling_point, nozzle)
        site_id, fuelling_point, nozzle, fiscal_day, sequence, occurred_at, product, volume,
        amount, totalizer
    FROM inserted
    WHERE fuelling_point IS NOT NULL AND nozzle IS NOT NULL
    ORDER BY site_id, fuelling_point, nozzle, fiscal_day DESC, sequence DESC
    ON CONFLICT (site_id, fuelling_point, nozzle) DO UPDATE SET
        fiscal_day = excluded.fiscal_day,
        sequence = excluded.sequence,
        occurred_at = excluded.occurred_at,
        product = excluded.product,
        volume = excluded.volume,
        amount = excluded.amount,
        totalizer = excluded.totalizer
    WHERE (excluded.fiscal_day, excluded.sequence) > (nozzle_state.fiscal_day, nozzle_state.sequence)
)
SELECT count(*) FROM inserted
