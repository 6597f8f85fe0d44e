-- The newest seal of a site, as it is told to the site: whichever day asked for it to be sent, so
-- that two workers cannot leave an older one behind at the broker.
SELECT
    fiscal_day, z_number, encode(seal, 'hex'),
    encode(coalesce(previous_seal, decode(repeat('00', 32), 'hex')), 'hex'),
    perpetual_total, sealed_at
FROM fiscal_day
WHERE site_id = %(site_id)s AND z_number IS NOT NULL
ORDER BY z_number DESC
LIMIT 1
