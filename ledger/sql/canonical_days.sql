-- The canonical bodies of a site's fiscal days (`ledger.canonical` documents the form), made
-- where the rows are: half a million entries a second, and only some lines of text a day leave
-- PostgreSQL. Each line is a JSON array as json_build_array writes it; decimals and times are
-- strings, as PostgreSQL writes them in UTC. Sealing and verifying both read this statement.
-- `{entry_line}`, `{day_deliveries}` and `{counted}` stand for the files of these names. The setup is
-- the site's as it is now: what a day was judged by is known from its sealed document alone.
WITH wanted AS MATERIALIZED (
    SELECT d.*, s.code, s.currency
    FROM fiscal_day d
    JOIN site s ON s.id = d.site_id
    WHERE d.site_id = %(site_id)s AND d.fiscal_day BETWEEN %(first)s AND %(last)s
),
lines AS (
    SELECT
        fiscal_day, 0 AS part, '' AS a, 0 AS b, 0 AS c, 0 AS d,
        json_build_array(
            'day', code, fiscal_day::text, currency, opened_at::text, closed_at::text,
            closed_by_id, close_reason, last_sequence, entry_count, highest_sequence
        )::text AS line
    FROM wanted
    UNION ALL
    SELECT
        fiscal_day, 0, '', 1, 0, 0,
        json_build_array(
            'declarations', encode(opening_digest, 'hex'), encode(closing_digest, 'hex')
        )::text
    FROM wanted
    UNION ALL
    SELECT
        fiscal_day, 1, '', 0, 0, 0,
        json_build_array(
            'entries', count(*),
            encode(
                sha256(convert_to(string_agg(line || chr(10), '' ORDER BY sequence), 'UTF8')), 'hex'
            )
        )::text
    FROM (
        SELECT
            e.fiscal_day, e.sequence,
            {entry_line} AS line
        FROM entry e
        WHERE e.site_id = %(site_id)s AND e.fiscal_day BETWEEN %(first)s AND %(last)s
    ) AS entry_lines
    GROUP BY fiscal_day
    UNION ALL
    SELECT
        fiscal_day, 2, product, kind, (tax_rate * 100)::integer, 0,
        json_build_array(
            'total', product, kind, tax_rate::text, count, volume::text, amount::text, tax::text
        )::text
    FROM day_total
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT
        fiscal_day, 3, '', payment, kind, 0,
        json_build_array('payment', payment, kind, count, volume::text, amount::text)::text
    FROM payment_total
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT
        fiscal_day, 4, '', hour, 0, 0,
        json_build_array('hour', hour, count, volume::text, amount::text)::text
    FROM hour_total
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT
        fiscal_day, 5, product, 0, 0, 0,
        json_build_array('declared', product, count, volume::text, amount::text)::text
    FROM declared_total
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT
        fiscal_day, 6, '', fuelling_point, nozzle, 0,
        json_build_array(
            'totalizer', fuelling_point, nozzle, product, opening::text, closing::text
        )::text
    FROM totalizer
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT
        fiscal_day, 7, '', tank, 0, 0,
        json_build_array(
            'dip', tank, product, opening_volume::text, opening_water::text,
            opening_temperature::text, closing_volume::text, closing_water::text,
            closing_temperature::text
        )::text
    FROM dip
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT
        fiscal_day, 8, at::text, tank, 0, 0,
        json_build_array(
            'delivery', at::text, tank, product, volume::text, volume_15c::text, document,
            received_at::text
        )::text
    FROM ({day_deliveries}) AS deliveries
    UNION ALL
    SELECT
        posted_to, 9, fiscal_day::text, sequence, revision, 0,
        json_build_array(
            'correction', fiscal_day::text, sequence, revision, action, kind, occurred_at::text,
            product, amount::text, volume::text, volume_15c::text, unit_price::text,
            tax_rate::text, fuelling_point, nozzle, tank, payment, device_transaction,
            totalizer::text, offline, reason, note, author_id, proposed_at::text, decided_by_id,
            decided_at::text, decision_note
        )::text
    FROM correction
    WHERE site_id = %(site_id)s AND posted_to BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT
        posted_to, 10, fiscal_day::text, sequence, revision, side,
        json_build_array(
            'posting', fiscal_day::text, sequence, revision, side, kind, product, tax_rate::text,
            payment, fuelling_point, nozzle, tank, hour, count, volume::text, amount::text,
            tax::text
        )::text
    FROM correction_posting
    WHERE site_id = %(site_id)s AND posted_to BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT
        fiscal_day, 11, '', number, 0, 0,
        json_build_array(
            'explanation', number, subject, key, difference, reason, note, author_id, at::text
        )::text
    FROM explanation
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
),
turnover AS (
    SELECT fiscal_day, sum(amount) AS amount
    FROM ({counted}) AS counted
    WHERE site_id = %(site_id)s AND fiscal_day BETWEEN %(first)s AND %(last)s
        AND kind = ANY (%(turnover_kinds)s)
    GROUP BY fiscal_day
),
setup AS (
    SELECT string_agg(line || chr(10), '' ORDER BY part, b, c) AS text
    FROM (
        SELECT -1 AS part, 0 AS b, 0 AS c, json_build_array('metering', 'totalizers')::text AS line
        UNION ALL
        SELECT
            0, 0, 0,
            json_build_array(
                'allowance', wet_stock_daily_permille::text, wet_stock_daily_litres::text,
                wet_stock_monthly_permille::text, wet_stock_monthly_litres::text
            )::text
        FROM site
        WHERE id = %(site_id)s
        UNION ALL
        SELECT
            1, fuelling_point, number,
            json_build_array('nozzle', fuelling_point, number, tank)::text
        FROM nozzle
        WHERE site_id = %(site_id)s AND tank IS NOT NULL
        UNION ALL
        SELECT 2, number, 0, json_build_array('tank', number, product)::text
        FROM tank
        WHERE site_id = %(site_id)s
    ) AS setup_lines
)
SELECT
    fiscal_day,
    string_agg(line || chr(10), '' ORDER BY part, a COLLATE "C", b, c, d),
    (SELECT text FROM setup),
    coalesce(max(turnover.amount), 0.00)
FROM lines
JOIN wanted USING (fiscal_day)
LEFT JOIN turnover USING (fiscal_day)
GROUP BY fiscal_day
ORDER BY fiscal_day
