-- What became of each staged entry: `held` when the ledger holds the same (the one just inserted,
-- or the one it repeats), `conflict` when it holds another under that key, `sealed` when it holds
-- none because the day is sealed. One that was entered by hand (`manual` is its flag) is compared
-- in what both state, to the minute: nobody types seconds, or knows the pump's own number.
-- A product's code is compared as messages are read, in NFC without blanks around it (those of
-- Unicode, as in `ledger.plain`): what is held may have been stored when that was no rule yet.
-- LATERAL with LIMIT keeps the planner from reading the whole ledger for a hash join.
SELECT
    s.n,
    CASE
        WHEN e.sequence IS NULL THEN 'sealed'
        WHEN e.flags & %(manual)s <> 0 THEN CASE
            WHEN (e.kind, e.code, e.amount, date_trunc('minute', e.occurred_at))
                = (s.kind, s.product, s.amount, date_trunc('minute', s.occurred_at))
                AND coalesce(e.volume = s.volume, true)
                AND coalesce(e.volume_15c = s.volume_15c, true)
                AND coalesce(e.unit_price = s.unit_price, true)
                AND coalesce(e.tax_rate = s.tax_rate, true)
                AND coalesce(e.fuelling_point = s.fuelling_point, true)
                AND coalesce(e.nozzle = s.nozzle, true)
                AND coalesce(e.tank = s.tank, true)
                AND coalesce(e.payment = s.payment, true)
                AND coalesce(e.device_transaction = s.device_transaction, true)
                AND coalesce(e.totalizer = s.totalizer, true)
            THEN 'held'
            ELSE 'conflict'
        END
        WHEN (
            e.kind, e.occurred_at, e.code, e.amount, coalesce(e.volume, 0), e.volume_15c,
            e.unit_price, e.tax_rate, e.fuelling_point, e.nozzle, e.tank, e.payment,
            e.device_transaction, e.totalizer, e.offline
        ) IS DISTINCT FROM (
            s.kind, s.occurred_at, s.product, s.amount, coalesce(s.volume, 0), s.volume_15c,
            s.unit_price, s.tax_rate, s.fuelling_point, s.nozzle, s.tank, s.payment,
            s.device_transaction, s.totalizer, s.offline
        ) THEN 'conflict'
        ELSE 'held'
    END
FROM stage_entry s
LEFT JOIN LATERAL (
    SELECT
        entry.*,
        normalize(
            btrim(
                entry.product,
                U&' \00A0\1680\2000\2001\2002\2003\2004\2005\2006\2007\2008\2009\200A\202F\205F\3000'
            ),
            NFC
        ) AS code
    FROM entry
    WHERE (entry.site_id, entry.fiscal_day, entry.sequence) = (s.site_id, s.fiscal_day, s.sequence)
    LIMIT 1
) e ON true
