-- The newest seal of a site, as it is told to the site: whichever day asked for it to be sent, so
-- that two workers cannot leave an older one behind at the broker.
SELECT
    d.fiscal_day, d.z_number, encode(d.seal, 'hex'),
    encode(coalesce(d.previous_seal, decode(repeat('00', 32), 'hex')), 'hex'),
    d.perpetual_total, d.sealed_at,
    nullif(k.key_id, ''), encode(k.signature, 'hex'), k.trail_number, encode(k.trail_digest, 'hex')
FROM fiscal_day d
LEFT JOIN day_seal k ON (k.site_id, k.fiscal_day) = (d.site_id, d.fiscal_day)
WHERE d.site_id = %(site_id)s AND d.z_number IS NOT NULL
ORDER BY d.z_number DESC
LIMIT 1
