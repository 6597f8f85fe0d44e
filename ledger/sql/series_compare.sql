-- What the ledger holds of the days that a copy tells of: `n` is the place in the copy.
SELECT
    told.n, s.id, d.z_number, encode(d.seal, 'hex'),
    encode(coalesce(d.previous_seal, decode(repeat('00', 32), 'hex')), 'hex'),
    d.perpetual_total::text, d.sealed_at,
    encode(sha256(convert_to(k.document, 'UTF8')), 'hex'),
    k.key_id, encode(k.signature, 'hex'), k.trail_number, encode(k.trail_digest, 'hex')
FROM unnest(%(codes)s::text[], %(days)s::date[]) WITH ORDINALITY AS told (code, fiscal_day, n)
LEFT JOIN site s ON s.code = told.code
LEFT JOIN fiscal_day d ON (d.site_id, d.fiscal_day) = (s.id, told.fiscal_day)
LEFT JOIN day_seal k ON (k.site_id, k.fiscal_day) = (d.site_id, d.fiscal_day)
