-- The hour of `occurred_at` on the clock of a site, by the offsets that `ledger.hours.clock_offsets`
-- gives: PostgreSQL knows other time zones than Python does. The calendar, and with it each zone's
-- rule, repeats after 146,097 days.
date_part('hour', occurred_at AT TIME ZONE 'UTC' + (%(offsets)s::interval[])[
    width_bucket(
        CASE
            WHEN occurred_at < '2500-01-01 00:00:00+00' THEN occurred_at
            ELSE occurred_at - interval '146097 days' * (1 + floor(
                date_part('epoch', occurred_at - '2500-01-01 00:00:00+00'::timestamptz)
                / 12622780800
            ))
        END,
        %(offset_starts)s::timestamptz[]
    )
])::smallint
