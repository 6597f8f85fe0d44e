-- Which fuelling points of the whole network look dead: `ledger.selectors.silence` for all sites.
-- What is usual takes a week of a site's entries to say, so it is asked only of points after whose
-- last sale so many entries came that they may be dead (their numbering says how many, nothing is
-- counted), not again before there are so many that the answer may be another, and of no more than
-- `points_max` at a time. The answers are kept for the pages.
WITH last_sale AS (
    SELECT DISTINCT ON (sold.site_id, sold.fuelling_point)
        sold.site_id, sold.fuelling_point, sold.fiscal_day, sold.sequence, sold.occurred_at
    FROM nozzle_state AS sold
    JOIN site ON site.id = sold.site_id
    LEFT JOIN pump_state AS state USING (site_id, fuelling_point)
    -- Of a point that is out of use, its state says so already.
    WHERE (state.state IS NULL OR state.state = ANY(%(states_to_sell)s))
        AND sold.fiscal_day BETWEEN site.first_fiscal_day AND {last_plausible_day}
    ORDER BY sold.site_id, sold.fuelling_point, sold.fiscal_day DESC, sold.sequence DESC
), point AS (
    SELECT last_sale.*, count(*) OVER (PARTITION BY site_id) AS point_count FROM last_sale
), quiet AS (
    SELECT point.*, site.timezone, {last_plausible_day} AS latest_day, later.entry_count
    FROM point
    JOIN site ON site.id = point.site_id
    CROSS JOIN LATERAL (
        SELECT sum(CASE WHEN day.fiscal_day > point.fiscal_day THEN day.highest_sequence
            ELSE greatest(0, day.highest_sequence - point.sequence) END)::bigint AS entry_count
        FROM fiscal_day AS day
        WHERE day.site_id = point.site_id
            AND day.fiscal_day BETWEEN point.fiscal_day AND {last_plausible_day}
    ) AS later
    WHERE NOT site.is_closed AND point.occurred_at <= %(now)s - %(silent_min)s
), suspect AS (
    SELECT quiet.*,
        least(quiet.fiscal_day, (%(now)s AT TIME ZONE timezone)::date) - 1 AS last_day,
        ARRAY(
            SELECT extract(hour FROM (%(now)s - ago * interval '1 hour') AT TIME ZONE timezone)
            FROM generate_series(0, least(
                floor(extract(epoch FROM %(now)s - quiet.occurred_at) / 3600), 23
            )::integer) AS ago
        ) AS hours
    FROM quiet
    LEFT JOIN point_silence AS judged USING (site_id, fuelling_point, fiscal_day, sequence)
    WHERE entry_count >= %(expected_min)s::numeric * point_count / %(share_max)s
        AND (judged.site_id IS NULL OR entry_count >= judged.look_again_after
            OR judged.judged_at <= %(now)s - %(kept)s)
    ORDER BY judged.judged_at NULLS FIRST, quiet.occurred_at
    LIMIT %(points_max)s
), compared AS (
    SELECT suspect.*, usual.own, usual.others, meanwhile.sales_elsewhere,
        meanwhile.sales_elsewhere * usual.own / nullif(usual.others, 0)::numeric AS expected
    FROM suspect
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE entry.fuelling_point = suspect.fuelling_point) AS own,
            count(*) FILTER (WHERE entry.fuelling_point <> suspect.fuelling_point) AS others
        FROM entry
        WHERE entry.site_id = suspect.site_id
            AND entry.fiscal_day > suspect.last_day - %(usual_days)s
            AND entry.fiscal_day <= suspect.last_day
            AND entry.kind = %(sale)s
            AND extract(hour FROM occurred_at AT TIME ZONE suspect.timezone) = ANY(suspect.hours)
    ) AS usual
    CROSS JOIN LATERAL (
        SELECT count(*)::integer AS sales_elsewhere
        FROM entry
        WHERE entry.site_id = suspect.site_id
            -- A day before, because a fiscal day may run over midnight.
            AND entry.fiscal_day >= (greatest(suspect.occurred_at, %(now)s - %(counted_max)s)
                AT TIME ZONE suspect.timezone)::date - 1
            AND entry.fiscal_day <= suspect.latest_day
            AND entry.occurred_at > greatest(suspect.occurred_at, %(now)s - %(counted_max)s)
            AND entry.fuelling_point <> suspect.fuelling_point
            AND entry.kind = %(sale)s
    ) AS meanwhile
), judged AS (
    SELECT compared.*,
        own >= %(usual_min)s AND coalesce(expected, 0) >= %(expected_min)s AS is_dead
    FROM compared
)
INSERT INTO point_silence (site_id, fuelling_point, fiscal_day, sequence, last_sale_at, judged_at,
    look_again_after, sales_elsewhere, usual_every_s)
SELECT site_id, fuelling_point, fiscal_day, sequence, occurred_at, %(now)s,
    CASE WHEN is_dead OR own < %(usual_min)s OR coalesce(expected, 0) = 0 THEN %(never)s
        ELSE ceil(entry_count * %(expected_min)s / expected) END,
    sales_elsewhere,
    CASE WHEN is_dead THEN extract(epoch FROM %(now)s - occurred_at) / expected END
FROM judged
-- Two workers may judge at once.
ORDER BY site_id, fuelling_point
ON CONFLICT (site_id, fuelling_point) DO UPDATE SET
    fiscal_day = excluded.fiscal_day,
    sequence = excluded.sequence,
    last_sale_at = excluded.last_sale_at,
    judged_at = excluded.judged_at,
    look_again_after = excluded.look_again_after,
    sales_elsewhere = excluded.sales_elsewhere,
    usual_every_s = excluded.usual_every_s
