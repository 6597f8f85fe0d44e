-- The seals of a piece of the audit trail, in its order, as they leave the database: the trail tells
-- of the seal, the tables of the rest, of which nothing is there where somebody took it away.
SELECT
    l.number, s.code, e.fiscal_day::text, e.detail ->> 'z_number', e.detail ->> 'seal',
    encode(coalesce(d.previous_seal, decode(repeat('00', 32), 'hex')), 'hex'),
    d.perpetual_total::text, d.sealed_at,
    encode(sha256(convert_to(k.document, 'UTF8')), 'hex'),
    k.key_id, encode(k.signature, 'hex'), k.trail_number, encode(k.trail_digest, 'hex')
FROM audit_link l
JOIN audit_event e ON e.id = l.event_id
JOIN site s ON s.id = e.site_id
LEFT JOIN fiscal_day d ON (d.site_id, d.fiscal_day) = (e.site_id, e.fiscal_day)
LEFT JOIN day_seal k ON (k.site_id, k.fiscal_day) = (e.site_id, e.fiscal_day)
WHERE e.action = 'day.sealed' AND l.number > %(after)s AND l.number <= %(to)s
ORDER BY l.number
LIMIT %(seals)s
