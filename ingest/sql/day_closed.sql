-- What the site declared as it closed its day. The caller holds the day's row and has seen that
-- the site has not declared it before, and that it is not sealed.
--
-- Staff may have closed the day by hand meanwhile. The site knows best what it sold, so its own
-- closing completes that: its time and last sequence take the place of what the person stated,
-- its totals, meters and dips come in, and the trail says what was there before. Entries that are
-- missing by the site's count then show. Who closed it by hand and why stays on the day. A seal
-- that was proposed is no longer, since whoever proposed it has not seen this.
WITH before AS (
    SELECT site_id, fiscal_day, closed_at, last_sequence
    FROM fiscal_day
    WHERE site_id = %(site_id)s AND fiscal_day = %(fiscal_day)s AND closed_by_id IS NOT NULL
),
trail AS (
    INSERT INTO audit_event (actor_name, action, site_id, fiscal_day, subject, detail)
    SELECT
        'ingest', 'day.declared', site_id, fiscal_day, '',
        jsonb_build_object(
            'before', jsonb_build_object('closed_at', closed_at, 'last_sequence', last_sequence),
            'after', jsonb_build_object(
                'closed_at', %(at)s::timestamptz, 'last_sequence', %(last_sequence)s::integer
            )
        )
    FROM before
),
day AS (
    UPDATE fiscal_day SET
        closed_at = %(at)s, last_sequence = %(last_sequence)s, closing_digest = %(digest)s,
        seal_proposed_by_id = NULL, seal_proposed_at = NULL
    WHERE site_id = %(site_id)s AND fiscal_day = %(fiscal_day)s
),
meters AS (
    INSERT INTO totalizer (site_id, fiscal_day, fuelling_point, nozzle, product, closing)
    SELECT %(site_id)s, %(fiscal_day)s, fuelling_point, nozzle, product, volume
    FROM jsonb_to_recordset(%(totalizers)s) AS r
        (fuelling_point smallint, nozzle smallint, product text, volume numeric)
    ON CONFLICT (site_id, fiscal_day, fuelling_point, nozzle) DO UPDATE SET
        closing = excluded.closing
),
dips AS (
    INSERT INTO dip (
        site_id, fiscal_day, tank, product, closing_volume, closing_water, closing_temperature
    )
    SELECT %(site_id)s, %(fiscal_day)s, tank, product, volume, water, temperature
    FROM jsonb_to_recordset(%(dips)s) AS r
        (tank smallint, product text, volume numeric, water numeric, temperature numeric)
    ON CONFLICT (site_id, fiscal_day, tank) DO UPDATE SET
        closing_volume = excluded.closing_volume,
        closing_water = excluded.closing_water,
        closing_temperature = excluded.closing_temperature
)
INSERT INTO declared_total (site_id, fiscal_day, product, count, volume, amount)
SELECT %(site_id)s, %(fiscal_day)s, product, count, volume, amount
FROM jsonb_to_recordset(%(totals)s) AS r
    (product text, count integer, volume numeric, amount numeric)
