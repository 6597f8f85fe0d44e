-- For each entry of a day, its sequence and the first bytes of its line's SHA-256: what tells
-- which one was tampered with. The line is that of canonical_days.sql.
SELECT
    e.sequence,
    substring(
        sha256(
            convert_to(
                json_build_array(
                    e.sequence, e.kind, e.occurred_at::text, e.received_at::text, e.product,
                    e.amount::text, e.volume::text, e.volume_15c::text, e.unit_price::text,
                    e.tax_rate::text, e.fuelling_point, e.nozzle, e.tank, e.payment,
                    e.device_transaction, e.totalizer::text, e.offline, e.flags
                )::text || chr(10),
                'UTF8'
            )
        )
        FROM 1 FOR 4
    )
FROM entry e
WHERE e.site_id = %(site_id)s AND e.fiscal_day = %(fiscal_day)s
ORDER BY e.sequence
