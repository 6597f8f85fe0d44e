-- The broker forgot what it kept for a worker: each site is asked to send again what it holds since
-- then. Its own day of that time may have opened the evening before, and a day that is still open
-- may be older; entries of it may be lost, too. A site for which the same waits to be sent is not
-- asked twice: another worker lost its session with the same broker, or the broker forgets one
-- after the other. One that was asked already is: what it sent after its answer may be lost, or its
-- answer. `claim_command.sql` leaves it some time between the two. Returns the sites that are asked.
INSERT INTO command (
    site_id, kind, fiscal_day, ranges, asked_count, requested_at
)
SELECT site.id, 'resend_since', wanted.since, '[]', 0, %(now)s
FROM site
CROSS JOIN LATERAL (
    SELECT greatest(
        site.first_fiscal_day,
        least(
            timezone(site.timezone, %(lost_since)s::timestamptz)::date - 1,
            (
                SELECT min(fiscal_day)
                FROM fiscal_day
                WHERE fiscal_day.site_id = site.id AND closed_at IS NULL AND sealed_at IS NULL
                    AND fiscal_day > timezone(site.timezone, %(lost_since)s::timestamptz)::date
                        - %(open_days)s
            )
        )
    ) AS since
) AS wanted
WHERE NOT site.is_closed AND NOT EXISTS (
    SELECT 1
    FROM command
    WHERE command.site_id = site.id AND command.kind = 'resend_since'
        AND command.fiscal_day <= wanted.since
        AND command.sent_at IS NULL
)
RETURNING site_id
